//! Room: how much memory of the machine is free for this process.
//!
//! What the machine has is told by `/proc/meminfo`; less is allowed where a control group of the process, or one around
//! it, has a limit (version 2; in a container the root that is seen is the container's own).

use std::fs::read_to_string;
use std::path::Path;

const KIB: u64 = 1024;

/// Bytes that may still be used before others have to give memory up; 0 where nothing tells.
#[must_use]
pub fn free() -> u64 {
    free_below(Path::new("/"))
}

fn free_below(root: &Path) -> u64 {
    let machine = read_to_string(root.join("proc/meminfo")).ok();
    let machine = machine.and_then(|text| value(&text, "MemAvailable:")).map(|kib| kib * KIB);
    let Some(machine) = machine else { return 0 };
    let groups = read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let top = root.join("sys/fs/cgroup");
    let around = Path::new(own).ancestors().map(|group| top.join(group));
    around.filter_map(|group| left_in(&group)).fold(machine, u64::min)
}

/// Bytes up to the limit of a control group, where it has one. What it holds of files is given up before the limit is
/// reached.
fn left_in(group: &Path) -> Option<u64> {
    let number = |name: &str| read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let most = [number("memory.max"), number("memory.high")].into_iter().flatten().min()?;
    let stat = read_to_string(group.join("memory.stat")).unwrap_or_default();
    let files = value(&stat, "inactive_file").unwrap_or(0);
    Some(most.saturating_sub(number("memory.current")?.saturating_sub(files)))
}

/// The number behind a name in a text of one name a line.
fn value(text: &str, name: &str) -> Option<u64> {
    let words = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok()).flatten()
    };
    text.lines().find_map(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    #[test]
    fn the_tightest_of_machine_and_groups_around_the_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(free_below(root), 0, "nothing tells");
        lay(root, "proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n");
        assert_eq!(free_below(root), 8000 * KIB);
        lay(root, "proc/self/cgroup", "4:memory:/old\n0::/system.slice/bulwark.service\n");
        let group = "sys/fs/cgroup/system.slice/bulwark.service";
        lay(root, &format!("{group}/memory.max"), "max\n");
        assert_eq!(free_below(root), 8000 * KIB, "no limit is none");
        lay(root, "sys/fs/cgroup/system.slice/memory.max", "5000000\n");
        lay(root, "sys/fs/cgroup/system.slice/memory.current", "2000000\n");
        lay(root, "sys/fs/cgroup/system.slice/memory.stat", "anon 9\ninactive_file 500000\n");
        assert_eq!(free_below(root), 3_500_000, "files are given up first");
        lay(root, &format!("{group}/memory.high"), "900\n");
        lay(root, &format!("{group}/memory.current"), "1000\n");
        assert_eq!(free_below(root), 0, "beyond its limit");
    }

    #[test]
    fn this_machine_tells_how_much_is_free() {
        assert!(free() > 0);
    }
}
