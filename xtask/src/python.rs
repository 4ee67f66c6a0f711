//! Python environments of our own, below the target folder: made once, and found again by the next run.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::tools::{self, SystemTool};
use crate::{built, step};

const PYTHON: [SystemTool; 1] =
    [SystemTool { program: "python3", package: "python3", lost: "there is no Python" }];

/// Packages of PyPI in an environment of their own.
struct Environment {
    /// Its folder in the target folder.
    folder: &'static str,
    packages: &'static [&'static str],
    /// What can be imported when it is sound.
    imports: &'static str,
    /// What its folder is told to tests in.
    variable: &'static str,
    /// What goes without it.
    lost: &'static str,
}

/// The real pyATS, for tests and benchmarks that stand beside it. Its reporter's behaviour is that of this version
/// (results format 3.4). Its command does not start without genie.
const PYATS: Environment = Environment {
    folder: "pyats",
    packages: &["pyats==26.9", "genie==26.9"],
    imports: "pyats.reporter, pyats.easypy, genie",
    variable: PYATS_FOLDER,
    lost: "pyATS is missing: tests and benchmarks beside the real one are skipped",
};

/// A server of S3, which uploads are tried against.
const MOTO: Environment = Environment {
    folder: "moto",
    packages: &["moto[server]==5.2.5"],
    imports: "moto.server",
    variable: MOTO_FOLDER,
    lost: "moto is missing: uploads to S3 are not tried against a server",
};

/// Where the environment with pyATS is told to tests: its folder.
pub const PYATS_FOLDER: &str = "OYEZ_TEST_PYATS";
/// Likewise that with moto.
pub const MOTO_FOLDER: &str = "OYEZ_TEST_MOTO";

/// Installs pyATS from PyPI into `target/pyats`, unless it is there; the environment's folder. `None`, with a word on
/// what is lost, if that cannot be done: whatever needs it says that it was skipped.
pub fn want_pyats() -> Option<PathBuf> {
    want(&PYATS)
}

/// The same for moto.
pub fn want_moto() -> Option<PathBuf> {
    want(&MOTO)
}

fn want(environment: &Environment) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(environment.variable).filter(|folder| !folder.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let venv = built::target_folder().join(environment.folder);
    match set_up(environment, &venv) {
        Ok(()) => Some(venv),
        Err(error) => {
            println!("{}; {error}", environment.lost);
            None
        }
    }
}

fn set_up(environment: &Environment, venv: &Path) -> Result<(), Error> {
    let python = venv.join("bin/python");
    let ready = venv.join(".ready");
    let packages = environment.packages;
    if fs::read_to_string(&ready).is_ok_and(|had| had == packages.join(" ")) && imports(environment, &python)
    {
        return Ok(());
    }
    println!("installing {} into {} (a minute or two, once)", packages.join(" and "), built::shown(venv));
    need_venv()?;
    // Half a set-up that was broken off is not built upon.
    match fs::remove_dir_all(venv) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            return Err(Error::File { what: "cannot remove", path: venv.to_owned(), source });
        }
        _ => {}
    }
    let shown = venv.display().to_string();
    run(&["python3", "-m", "venv", &shown])?;
    let pip = venv.join("bin/pip").display().to_string();
    run(&[&[&pip, "install", "--quiet", "--disable-pip-version-check"], packages].concat())?;
    if !imports(environment, &python) {
        return Err(Error::Wrong(format!("{} cannot import {}", built::shown(&python), environment.imports)));
    }
    fs::write(&ready, packages.join(" ")).map_err(|source| Error::File {
        what: "cannot write",
        path: ready,
        source,
    })
}

fn imports(environment: &Environment, python: &Path) -> bool {
    let mut command = Command::new(python);
    command
        .args(["-c", &format!("import {}", environment.imports)])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Sees to it that there is a Python that can make virtual environments: Debian has that part in a package of its own.
pub fn need_venv() -> Result<(), Error> {
    let has_venv = || {
        let mut command = step::command(&["python3", "-c", "import ensurepip, venv"]);
        command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if has_venv() {
        return Ok(());
    }
    tools::want_system_tools(&PYTHON);
    if !has_venv() {
        tools::install_packages(&["python3-venv"]);
    }
    if has_venv() {
        return Ok(());
    }
    Err(Error::Missing {
        program: "python3-venv",
        why: "`python3 -c 'import ensurepip, venv'` fails, and only root can install it".to_owned(),
        by_hand: "apt-get install python3-venv".to_owned(),
    })
}

/// Runs a line in the workspace's root, and shows it.
pub fn run(line: &[&str]) -> Result<(), Error> {
    println!("$ {}", line.join(" "));
    built::run(step::command(line).stdin(Stdio::null()), &line.join(" "))
}
