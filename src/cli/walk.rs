//! Finds the files that a person named, or named the folder of.

use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// A file, or something that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes, or why it cannot be examined.
    pub size: Result<u64, String>,
}

/// Every file at or below the paths, links followed, in order of name. What cannot be read is in the list with the
/// reason, so that nothing is passed over in silence.
#[must_use]
pub fn files(paths: &[PathBuf]) -> Vec<Found> {
    paths.iter().flat_map(|path| below(path)).collect()
}

fn below(path: &Path) -> impl Iterator<Item = Found> {
    let root = path.to_owned();
    let walk = WalkDir::new(path).follow_links(true).sort_by_file_name();
    walk.into_iter().filter_map(move |entry| match entry {
        Ok(entry) if entry.file_type().is_dir() => None,
        Ok(entry) => {
            let size = match entry.metadata() {
                Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
                Ok(_) => Err("not a regular file".into()),
                Err(error) => Err(error.to_string()),
            };
            Some(Found { path: entry.into_path(), size })
        }
        Err(error) => {
            let path = error.path().unwrap_or(&root).to_owned();
            let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
            Some(Found { path, size: Err(reason) })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::create_dir(folder.path().join("inner")).expect("made");
        std::fs::write(folder.path().join("inner/a"), b"12").expect("written");
        std::os::unix::fs::symlink("/nonexistent/b", folder.path().join("b")).expect("linked");
        let found = files(&[folder.path().into(), "/nonexistent/c".into()]);
        let sizes: Vec<_> = found.iter().map(|found| found.size.is_ok()).collect();
        assert_eq!(sizes, [false, true, false]);
        assert_eq!(found[1].size, Ok(2));
        assert_eq!(found[2].path, Path::new("/nonexistent/c"));
    }
}
