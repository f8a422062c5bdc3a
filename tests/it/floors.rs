//! The order of the house, read from its own source: floors, order of modules, purity and lints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const FLOORS: [&str; 7] = ["core", "config", "proto", "io", "services", "server", "cli"];
const ROOMS: [&str; 4] = ["screening", "live", "bank", "admin"];
const LINES_MAX: usize = 500;

/// Files that may hold `unsafe`, each with its reason.
const UNSAFE: [(&str, &str); 7] = [
    ("core/hamming/memory.rs", "asks for large pages"),
    ("core/hamming/x86.rs", "instructions that not every processor has"),
    ("core/pdq/wide.rs", "instructions that not every processor has"),
    ("io/heap.rs", "settings of the allocator"),
    ("io/jail/kernel.rs", "system calls without a safe wrapper"),
    ("io/jail/map.rs", "a shared mapping becomes a slice"),
    ("io/jail/probe.rs", "tries raw system calls, as an attacker would"),
];

/// Files that may be longer, each with its reason.
const LONG: [(&str, &str); 1] = [("core/screening/decision/tests.rs", "one table of cases")];

type Source = BTreeMap<String, String>;
type Module = Vec<String>;

/// Replaces comments, strings and characters by spaces, so that only code is left.
fn code(text: &str) -> String {
    let t: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut i = 0;
    while i < t.len() {
        let word_before = i > 0 && (t[i - 1].is_alphanumeric() || t[i - 1] == '_');
        let end = if t[i] == '/' && t.get(i + 1) == Some(&'/') {
            (i..t.len()).find(|&j| t[j] == '\n').unwrap_or(t.len())
        } else if t[i] == '/' && t.get(i + 1) == Some(&'*') {
            let (mut depth, mut j) = (1, i + 2);
            while j < t.len() && depth > 0 {
                match (t[j], t.get(j + 1)) {
                    ('/', Some('*')) => (depth, j) = (depth + 1, j + 2),
                    ('*', Some('/')) => (depth, j) = (depth - 1, j + 2),
                    _ => j += 1,
                }
            }
            j
        } else if let Some(end) = raw_string(&t, i).filter(|_| !word_before || t[i - 1] == 'b') {
            end
        } else if t[i] == '"' {
            let mut j = i + 1;
            while j < t.len() && t[j] != '"' {
                j += if t[j] == '\\' { 2 } else { 1 };
            }
            j + 1
        } else if t[i] == '\'' && t.get(i + 1) == Some(&'\\') {
            (i + 3..t.len()).find(|&j| t[j] == '\'').map_or(t.len(), |j| j + 1)
        } else if t[i] == '\'' && t.get(i + 2) == Some(&'\'') {
            i + 3
        } else {
            out.push(t[i]);
            i += 1;
            continue;
        };
        out.extend(t[i..end.min(t.len())].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        i = end;
    }
    out
}

fn raw_string(t: &[char], start: usize) -> Option<usize> {
    let hashes = t.get(start + 1..)?.iter().take_while(|&&c| c == '#').count();
    if t[start] != 'r' || t.get(start + 1 + hashes) != Some(&'"') {
        return None;
    }
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = start + 2 + hashes;
    (body..t.len()).find(|&j| t[j..].starts_with(&closing)).map(|j| j + closing.len())
}

fn tokens(code: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = c.to_string();
            while let Some(&n) = chars.peek().filter(|n| n.is_alphanumeric() || **n == '_') {
                word.push(n);
                chars.next();
            }
            out.push(word);
        } else if c == ':' && chars.peek() == Some(&':') {
            chars.next();
            out.push("::".into());
        } else if !c.is_whitespace() {
            out.push(c.into());
        }
    }
    out
}

/// Drops every item under `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let (mut out, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        let here: Vec<&str> = tokens[i..].iter().take(7).map(String::as_str).collect();
        if here != ["#", "[", "cfg", "(", "test", ")", "]"] {
            out.push(tokens[i].clone());
            i += 1;
            continue;
        }
        i += 7;
        let mut depth = 0;
        while i < tokens.len() {
            match tokens[i].as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            i += 1;
            if depth == 0 && matches!(tokens[i - 1].as_str(), ";" | "}") {
                break;
            }
        }
    }
    out
}

/// Every path that starts with one of `heads`, groups spread out, with the name it gets.
fn paths(tokens: &[String], heads: &BTreeSet<String>) -> Vec<(Vec<String>, String)> {
    let mut out = Vec::new();
    for i in 0..tokens.len() {
        let before = i.checked_sub(1).map(|b| tokens[b].as_str());
        let starts = heads.contains(&tokens[i]) && !matches!(before, Some("::" | "$" | "."));
        if starts && tokens.get(i + 1).is_some_and(|t| t == "::") {
            tree(tokens, i, &[], &mut out);
        }
    }
    out
}

fn tree(
    t: &[String],
    mut i: usize,
    head: &[String],
    out: &mut Vec<(Vec<String>, String)>,
) -> usize {
    let mut path = head.to_vec();
    while i < t.len() {
        if t[i] == "{" {
            i += 1;
            while i < t.len() && t[i] != "}" {
                i = if t[i] == "," { i + 1 } else { tree(t, i, &path, out) };
            }
            return i + 1;
        }
        if !(t[i] == "*" || t[i].starts_with(|c: char| c.is_alphanumeric() || c == '_')) {
            return i + 1;
        }
        path.push(t[i].clone());
        i += 1;
        if t.get(i).is_some_and(|t| t == "::") {
            i += 1;
            continue;
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if t.get(i).is_some_and(|t| t == "as") {
            name = t.get(i + 1).cloned().unwrap_or_default();
            i += 2;
        }
        out.push((path, name));
        return i;
    }
    i
}

fn module(file: &str) -> Module {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if path == "lib" { Vec::new() } else { path.split('/').map(String::from).collect() }
}

fn is_test(file: &str) -> bool {
    module(file).iter().any(|name| name == "tests")
}

struct House {
    code: BTreeMap<Module, Vec<String>>,
    order: BTreeMap<Module, Vec<String>>,
}

impl House {
    fn new(source: &Source) -> House {
        let (mut all, mut order) = (BTreeMap::new(), BTreeMap::new());
        for (file, text) in source.iter().filter(|(file, _)| *file != "main.rs" && !is_test(file)) {
            let tokens = without_tests(&tokens(&code(text)));
            let children = tokens.windows(3).filter(|w| w[0] == "mod" && w[2] == ";");
            order.insert(module(file), children.map(|w| w[1].clone()).collect::<Vec<_>>());
            all.insert(module(file), tokens);
        }
        House { code: all, order }
    }

    /// Every path that the module names.
    fn used(&self, user: &Module) -> Vec<(Vec<String>, String)> {
        self.named(user, &self.code[user])
    }

    /// The paths that its `use` lines bring, each with its name here.
    fn brought(&self, user: &Module) -> Vec<(Vec<String>, String)> {
        let parts = self.code[user].split(|word| word == ";");
        let uses =
            parts.filter_map(|part| Some(&part[part.iter().rposition(|word| word == "use")?..]));
        uses.flat_map(|part| self.named(user, part)).collect()
    }

    fn named(&self, user: &Module, words: &[String]) -> Vec<(Vec<String>, String)> {
        let mut heads: BTreeSet<String> = ["crate", "super", "self"].map(String::from).into();
        heads.extend(self.order[user].iter().cloned());
        let absolute = |path: Vec<String>| {
            let mut at = if path[0] == "crate" { Vec::new() } else { user.clone() };
            for part in path.iter().skip_while(|part| *part == "crate" || *part == "self") {
                if part == "super" {
                    at.pop();
                } else if part != "self" {
                    at.push(part.clone());
                }
            }
            at
        };
        let found = paths(words, &heads);
        found.into_iter().map(|(path, name)| (absolute(path), name)).collect()
    }

    /// The module that declares what `path` names, followed through re-exports.
    fn owner(&self, mut path: Vec<String>) -> Module {
        for _hop in 0..8 {
            let mut owner = path.clone();
            while !self.order.contains_key(&owner) {
                owner.pop();
            }
            let again = path.get(owner.len()).and_then(|item| {
                let uses = self.brought(&owner);
                uses.into_iter().find(|(to, name)| name == item && *to != path).map(|(to, _)| to)
            });
            match again {
                Some(to) => path = to,
                None => return owner,
            }
        }
        path
    }

    fn faults(&self) -> BTreeSet<String> {
        let mut faults = BTreeSet::new();
        if self.order.get(&Vec::new()).is_none_or(|order| *order != FLOORS) {
            faults.insert("the floors are not declared in their order".to_owned());
        }
        let (mut down, mut up) = (BTreeSet::new(), BTreeSet::new());
        for user in self.code.keys() {
            for (path, _) in self.used(user) {
                let owner = self.owner(path);
                let common = user.iter().zip(&owner).take_while(|(a, b)| a == b).count();
                match (user.get(common), owner.get(common)) {
                    (None, Some(_)) => drop(down.insert((user.clone(), owner[..=common].to_vec()))),
                    (Some(_), None) => drop(up.insert((owner, user[..=common].to_vec()))),
                    (None, None) => {}
                    (Some(mine), Some(other)) => {
                        let order = self.order.get(&user[..common]).map_or(&[][..], Vec::as_slice);
                        let place = |name| order.iter().position(|child| child == name);
                        let said = format!("{} uses {}", user.join("::"), owner.join("::"));
                        if place(other) >= place(mine) {
                            faults.insert(format!("{said}, declared below it"));
                        }
                        let room = |name: &String| ROOMS.contains(&name.as_str());
                        if user[..common] == ["services"] && room(mine) && room(other) {
                            faults.insert(format!("{said}, another room"));
                        }
                    }
                }
            }
        }
        for (parent, child) in down.intersection(&up) {
            faults.insert(format!("circle of {} and {}", parent.join("::"), child.join("::")));
        }
        faults
    }
}

/// What `core` must not name.
fn impurities(source: &Source) -> BTreeSet<String> {
    let words = ["async", "await", "tokio", "tracing", "log", "rand", "Instant", "SystemTime"];
    let places = ["fs", "net", "io", "env", "process", "thread"];
    let mut faults = BTreeSet::new();
    for (file, text) in
        source.iter().filter(|(file, _)| file.starts_with("core/") && !is_test(file))
    {
        let tokens = without_tests(&tokens(&code(text)));
        for (i, word) in tokens.iter().enumerate() {
            let next = tokens.get(i + 1).map(String::as_str);
            let library = !matches!(word.as_str(), "log" | "rand") || next == Some("::");
            if words.contains(&word.as_str()) && library {
                faults.insert(format!("{file} names {word}"));
            }
        }
        for (path, _) in paths(&tokens, &["std".to_owned()].into()) {
            if path.get(1).is_some_and(|place| places.contains(&place.as_str())) {
                faults.insert(format!("{file} names std::{}", path[1]));
            }
        }
    }
    faults
}

/// Breaches of what every single file keeps.
fn untidy(source: &Source) -> BTreeSet<String> {
    let mut faults = BTreeSet::new();
    for (file, text) in source {
        let tokens = tokens(&code(text));
        let listed = |list: &[(&str, &str)]| list.iter().any(|(name, _)| name == file);
        if !text.starts_with("//! ") {
            faults.insert(format!("{file} does not say what it is for"));
        }
        if text.lines().count() > LINES_MAX && !listed(&LONG) {
            faults.insert(format!("{file} is too long"));
        }
        if tokens.iter().any(|word| word == "unsafe") && !listed(&UNSAFE) {
            faults.insert(format!("{file} holds unsafe code"));
        }
        for (i, word) in tokens.iter().enumerate().skip(1) {
            let lint = matches!(word.as_str(), "allow" | "expect") && tokens[i - 1] == "[";
            let mut inside = tokens[i..].iter().take_while(|word| *word != "]");
            if lint && !inside.any(|word| word == "reason") {
                faults.insert(format!("{file} silences a lint without a reason"));
            }
        }
    }
    faults
}

fn source_of_the_house() -> Source {
    fn walk(root: &Path, at: &Path, source: &mut Source) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, source);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                source.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut source = Source::new();
    walk(&root, &root, &mut source);
    assert!(source.len() > 100, "the source was found");
    source
}

#[test]
fn every_module_uses_only_what_is_declared_above_it() {
    let faults = House::new(&source_of_the_house()).faults();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn core_names_no_clock_disk_network_log_or_chance() {
    let faults = impurities(&source_of_the_house());
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_file_is_short_says_its_purpose_with_a_reason_for_each_exception() {
    let source = source_of_the_house();
    let faults = untidy(&source);
    assert!(faults.is_empty(), "{faults:#?}");
    for (file, _) in LONG {
        assert!(source[file].lines().count() > LINES_MAX, "{file} needs no exception");
    }
    for (file, _) in UNSAFE {
        assert!(tokens(&code(&source[file])).contains(&"unsafe".to_owned()), "{file} needs none");
    }
}

fn made_up(files: &[(&str, &str)]) -> Source {
    let lib = "pub mod core; pub mod config; pub mod proto; pub mod io; pub mod services; pub mod server; pub mod cli;";
    let mut source: Source =
        FLOORS.iter().map(|f| (format!("{f}/mod.rs"), String::new())).collect();
    source.insert("lib.rs".into(), lib.into());
    source.extend(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())));
    source
}

fn faults(files: &[(&str, &str)]) -> Vec<String> {
    House::new(&made_up(files)).faults().into_iter().collect()
}

#[test]
fn the_checker_sees_a_lower_floor_use_a_higher_one() {
    assert_eq!(
        faults(&[("core/mod.rs", "use crate::io::X;")]),
        ["core uses io, declared below it"]
    );
    assert_eq!(faults(&[("core/mod.rs", "fn f() { crate::io::x() }")]).len(), 1);
    assert!(faults(&[("io/mod.rs", "use crate::core::X;")]).is_empty());
    assert!(
        faults(&[("core/mod.rs", "// crate::io::X\nconst S: &str = r#\"crate::io::x \"#;")])
            .is_empty()
    );
    assert!(faults(&[("core/mod.rs", "#[cfg(test)] mod tests { use crate::io::X; }")]).is_empty());
    assert_eq!(
        faults(&[("lib.rs", "mod io; mod core;")])[0],
        "the floors are not declared in their order"
    );
}

#[test]
fn the_checker_sees_the_order_inside_a_floor_through_groups_and_reexports() {
    let two = |a: &str, b: &str| {
        faults(&[("io/mod.rs", "mod a; mod b;"), ("io/a.rs", a), ("io/b.rs", b)])
    };
    assert!(two("", "use super::a::X;").is_empty());
    assert_eq!(
        two("use super::{self, b::{X, Y as Z}};", ""),
        ["io::a uses io::b, declared below it"]
    );
    let through = [
        ("io/mod.rs", "mod a; mod b; pub use b::X;"),
        ("io/a.rs", "use super::X;"),
        ("io/b.rs", ""),
    ];
    assert_eq!(faults(&through), ["io::a uses io::b, declared below it"]);
}

#[test]
fn the_checker_sees_circles_of_parent_and_child() {
    let circle = [("io/mod.rs", "mod a; use a::X; struct Y;"), ("io/a.rs", "use super::Y;")];
    assert_eq!(faults(&circle), ["circle of io and io::a"]);
}

#[test]
fn the_checker_sees_rooms_that_use_each_other() {
    let rooms = [
        ("services/mod.rs", "mod screening; mod bank;"),
        ("services/screening.rs", ""),
        ("services/bank.rs", "use crate::services::screening::X;"),
    ];
    assert_eq!(faults(&rooms), ["services::bank uses services::screening, another room"]);
}

#[test]
fn the_checker_sees_impure_and_untidy_files() {
    let impure = made_up(&[("core/mod.rs", "use std::{fs::File, time::Instant}; async fn f() {}")]);
    let seen =
        ["core/mod.rs names Instant", "core/mod.rs names async", "core/mod.rs names std::fs"];
    assert_eq!(impurities(&impure), seen.map(String::from).into());
    let long = "//! x\n".repeat(LINES_MAX + 1);
    let files = [("a.rs", "#[allow(dead_code)] fn f() { unsafe {} }"), ("b.rs", long.as_str())];
    let untidy = untidy(&files.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    assert_eq!(untidy.len(), 4, "{untidy:?}");
}
