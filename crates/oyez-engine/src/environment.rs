//! What a plan has to ask the machine: where a program is, what a document says, and what `parameters.json` says. Behind
//! traits, so that planning itself stays a pure function.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::fetch::{self, FetchLimits};
use crate::template::ParameterSource;
use crate::uri::Uri;

/// Where programs and documents are.
pub trait Environment {
    /// The program that a name stands for, as Go's `exec.LookPath` finds it.
    ///
    /// # Errors
    /// Why there is none, in Go's words: `exec: "x": executable file not found in $PATH`.
    fn find_executable(&self, name: &str) -> Result<PathBuf, String>;

    /// Whether a file at an absolute path can be executed.
    ///
    /// # Errors
    /// Why not: `no such file or directory`, `permission denied`, `is a directory`.
    fn check_executable(&self, path: &Path) -> Result<(), String>;

    /// A document; blocks, for as long as the limits allow.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn fetch(&self, uri: &Uri, limits: FetchLimits) -> Result<Vec<u8>, String>;

    /// The folder of external plugins, if there is one.
    fn plugins(&self) -> Option<&Path> {
        None
    }
}

/// The folders of a search path on this machine.
#[derive(Debug, Clone, Default)]
pub struct SearchPath {
    folders: Vec<PathBuf>,
    plugins: Option<PathBuf>,
}

impl SearchPath {
    /// The `PATH` of this process.
    #[must_use]
    pub fn from_env() -> Self {
        SearchPath::new(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()))
    }

    /// These folders, in this order. Relative ones are left out: what they find depends on where a job is started.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let folders = folders.into_iter().filter(|folder| folder.is_absolute()).collect();
        SearchPath { folders, plugins: None }
    }

    /// With external plugins, which are the executables of this folder; it need not be there.
    #[must_use]
    pub fn with_plugins(self, folder: impl Into<PathBuf>) -> Self {
        SearchPath { plugins: Some(folder.into()), ..self }
    }
}

impl Environment for SearchPath {
    fn find_executable(&self, name: &str) -> Result<PathBuf, String> {
        if name.contains('/') {
            let path = PathBuf::from(name);
            return match self.check_executable(&path) {
                Ok(()) => Ok(path),
                Err(why) if why.starts_with("no such") => Err(format!("exec: {name:?}: stat {name}: {why}")),
                Err(why) => Err(format!("exec: {name:?}: {why}")),
            };
        }
        let candidates = self.folders.iter().map(|folder| folder.join(name));
        candidates
            .into_iter()
            .find(|path| self.check_executable(path).is_ok())
            .ok_or_else(|| format!("exec: {name:?}: executable file not found in $PATH"))
    }

    fn check_executable(&self, path: &Path) -> Result<(), String> {
        use std::os::unix::fs::PermissionsExt as _;
        match std::fs::metadata(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err("no such file or directory".to_owned()),
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Err("permission denied".to_owned()),
            Err(e) => Err(e.to_string()),
            Ok(meta) if meta.is_dir() => Err("is a directory".to_owned()),
            Ok(meta) if meta.permissions().mode() & 0o111 == 0 => Err("permission denied".to_owned()),
            Ok(_) => Ok(()),
        }
    }

    fn fetch(&self, uri: &Uri, limits: FetchLimits) -> Result<Vec<u8>, String> {
        fetch::fetch(uri, limits)
    }

    fn plugins(&self) -> Option<&Path> {
        self.plugins.as_deref()
    }
}

/// A `parameters.json` on disk, for templates that call `getBmcHost` and its kin.
#[derive(Debug, Clone)]
pub struct ParameterFile(pub PathBuf);

impl ParameterSource for ParameterFile {
    fn read(&self) -> Result<Vec<u8>, String> {
        const LIMIT: u64 = (16 << 20) + 1;
        let said = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => format!("open {}: no such file or directory", self.0.display()),
            _ => format!("open {}: {e}", self.0.display()),
        };
        let mut bytes = Vec::new();
        File::open(&self.0).map_err(said)?.take(LIMIT).read_to_end(&mut bytes).map_err(said)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_go_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let (program, plain) = (folder.path().join("program"), folder.path().join("plain"));
        std::fs::write(&plain, "").unwrap();
        std::fs::write(&program, "").unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let search = SearchPath::new(["relative".into(), folder.path().to_owned()]);
        assert_eq!(search.find_executable("program"), Ok(program.clone()));
        assert_eq!(
            search.find_executable("plain"),
            Err("exec: \"plain\": executable file not found in $PATH".to_owned())
        );
        assert_eq!(
            search.find_executable("./no/such"),
            Err("exec: \"./no/such\": stat ./no/such: no such file or directory".to_owned())
        );
        assert_eq!(search.check_executable(&plain), Err("permission denied".to_owned()));
        assert_eq!(search.check_executable(folder.path()), Err("is a directory".to_owned()));
    }

    #[test]
    fn a_missing_parameter_file_is_said_as_contest_says_it() {
        let missing = ParameterFile("parameters.json".into());
        assert_eq!(missing.read(), Err("open parameters.json: no such file or directory".to_owned()));
    }
}
