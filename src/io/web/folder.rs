//! Files in the folder that the operator has set aside for exchanges, and no others.

use super::words::Unanswered;
use crate::core::polling::SCHEME;
use std::io::ErrorKind;
use std::path::{Component, Path};
use tokio::fs::File;

/// Checks the name of a file in the folder.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let is_good = !name.is_empty()
        && !name.starts_with('/')
        && !name.contains("//")
        && !name.chars().any(char::is_control)
        && Path::new(name).components().all(is_plain);
    if is_good { Ok(()) } else { Err("must be file: and the name of a file in exchanges.folder") }
}

/// Opens a file by its address. A link that leads out of the folder leads nowhere.
pub(super) async fn open(folder: Option<&Path>, address: &str) -> Result<File, Unanswered> {
    let failed = |error: std::io::Error| Unanswered::File(error.kind());
    let name = address.strip_prefix(SCHEME).unwrap_or_default();
    check(name).map_err(Unanswered::Address)?;
    let folder = folder.ok_or(Unanswered::File(ErrorKind::NotFound))?;
    let folder = tokio::fs::canonicalize(folder).await.map_err(failed)?;
    let path = tokio::fs::canonicalize(folder.join(name)).await.map_err(failed)?;
    if !path.starts_with(&folder) {
        return Err(Unanswered::File(ErrorKind::PermissionDenied));
    }
    let file = File::open(path).await.map_err(failed)?;
    if !file.metadata().await.map_err(failed)?.is_file() {
        return Err(Unanswered::File(ErrorKind::InvalidInput));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_out_of_the_folder_leads_nowhere() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(inside.path().join("list"), "x").unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), inside.path().join("out"))
            .unwrap();
        std::os::unix::fs::symlink(inside.path().join("list"), inside.path().join("in")).unwrap();
        std::fs::create_dir(inside.path().join("folder")).unwrap();
        let folder = Some(inside.path());
        let kind = async |name: &str| match open(folder, name).await {
            Ok(_) => None,
            Err(Unanswered::File(kind)) => Some(kind),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(kind("file:list").await, None);
        assert_eq!(kind("file:in").await, None);
        assert_eq!(kind("file:out").await, Some(ErrorKind::PermissionDenied));
        assert_eq!(kind("file:folder").await, Some(ErrorKind::InvalidInput));
        assert_eq!(kind("file:none").await, Some(ErrorKind::NotFound));
        assert!(matches!(open(folder, "file:../x").await, Err(Unanswered::Address(_))));
    }
}
