//! Names to executables: a file of that name in the folder of plugins.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The bytes that the name of a plugin may have: ConTest's names have as many.
const LONGEST: usize = 32;
/// The files of a folder that are looked at.
const MOST: usize = 10_000;

/// A plugin that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The name of its file.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: PathBuf,
}

/// Whether a name can be a plugin's: never a path, never hidden.
pub(super) fn is_name(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !name.is_empty() && name.len() <= LONGEST && !name.starts_with('.') && name.bytes().all(known)
}

/// The plugin of a name, in any case as names of plugins are; of several that differ in case only, the one that is written
/// like it, else the first.
pub(super) fn find(folder: &Path, name: &str) -> Option<Found> {
    if !is_name(name) {
        return None;
    }
    let names = names(folder);
    let exact = names.iter().find(|candidate| *candidate == name);
    let name = exact.or_else(|| names.iter().find(|candidate| candidate.eq_ignore_ascii_case(name)))?;
    // What a process is told of it must not depend on where that runs.
    let path = std::path::absolute(folder.join(name)).ok()?;
    Some(Found { name: name.clone(), path })
}

/// The names of all plugins of a folder, in order; none when it cannot be read.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_plugin = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let one = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        (is_name(&name) && is_plugin(&entry.path())).then_some(name)
    };
    let mut names: Vec<_> = entries.take(MOST).filter_map(|entry| one(entry.ok()?)).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_an_executable_file_of_the_folder_and_never_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, mode: u32| {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for (name, mode) in [("Power", 0o755), ("power.py", 0o755), ("notes", 0o644), (".hidden", 0o755)] {
            write(name, mode);
        }
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        let found = |name: &str| find(folder.path(), name).map(|found| found.name);
        assert_eq!(found("power").as_deref(), Some("Power"));
        assert_eq!(found("POWER.PY").as_deref(), Some("power.py"));
        for name in ["notes", ".hidden", "folder", "../power.py", "/bin/sh", "", "..", "pow er"] {
            assert_eq!(found(name), None, "{name}");
        }
        write("power", 0o755);
        assert_eq!(found("power").as_deref(), Some("power"));
        assert_eq!(names(folder.path()), ["Power", "power", "power.py"]);
        assert!(names(&folder.path().join("nowhere")).is_empty());
    }
}
