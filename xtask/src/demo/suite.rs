//! A real project's own suite through `oyez exec`: attrs, 1,371 tests, with what skips and fails on this machine's Python
//! left as it is.
//!
//! The sources come from PyPI, at one version each, into `target/demo`; a second run finds them there and needs no
//! network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Stage, make, remove};
use crate::built;
use crate::error::Error;
use crate::python::{self, run};

/// The project, and the folder that its archive unpacks to.
const PROJECT: &str = "attrs==25.4.0";
const FOLDER: &str = "attrs-25.4.0";
/// What its suite needs.
const TOOLS: [&str; 3] = ["pytest==9.0.1", "hypothesis==6.148.7", "cloudpickle==3.1.2"];
/// Fewer cases than this are not the suite.
const CASES: u64 = 1_000;

/// Sets the suite up and runs it.
pub(super) fn show(stage: &mut Stage) -> Result<(), Error> {
    println!("\n== part one: the own tests of {PROJECT}, wrapped by `oyez exec`");
    let python = set_up(&stage.folder)?;
    let results = stage.folder.join("attrs.xml");
    let _ = fs::remove_file(&results);
    let junit = format!("--junitxml={}", results.display());
    let parse = format!("junit={}", results.display());
    let (name, program) = (format!("Suite of {PROJECT}"), python.display().to_string());
    let wrapped = [
        &program,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "junit_logging=all",
        &junit,
        "tests",
    ];
    let arguments = ["exec", "--name", &name, "--project", "attrs", "--tag", "demo", "--parse", &parse, "--"];
    let arguments = [&arguments[..], &wrapped].concat();
    println!("\n$ oyez {}", arguments.join(" "));
    let mut command = stage.oyez(&arguments);
    command.current_dir(stage.folder.join(FOLDER));
    // pytest's own code, passed on: 1 when tests failed, which is theirs to say.
    stage.expect(&mut command, "oyez exec ... pytest", &[0, 1], "pytest's own")?;
    check(&stage.latest()?)?;
    stage.call(&["status", "latest"], &[0, 1], "0 or 1: as the suite ended")?;
    let out = stage.folder.join("out").join("attrs");
    let shown = out.display().to_string();
    stage.call(
        &["report", "latest", "--out", &shown],
        &[0],
        "report.json, junit.xml, summary.md, report.html",
    )?;
    stage.looks.push((
        out.join("report.html"),
        "open it in a browser (no network needed): failures first with their text, the tree of all cases, the log in\n    \
         place; \"complete: yes\" says that nothing of the suite is missing",
    ));
    stage.looks.push((out.join("summary.md"), "what a CI run shows"));
    Ok(())
}

/// Whether the whole suite was heard.
fn check(job: &serde_json::Value) -> Result<(), Error> {
    let cases = job["counts"]["total"].as_u64().unwrap_or_default();
    if cases < CASES {
        let said = format!("only {cases} cases were recorded, not {CASES} or more: counts {}", job["counts"]);
        return Err(Error::Wrong(format!("{said}; see what pytest said above")));
    }
    if job["complete"] != "yes" {
        return Err(Error::Wrong(format!("the report is not complete: {}", job["gaps"])));
    }
    println!("-- {cases} cases recorded, complete: yes");
    Ok(())
}

/// The project unpacked and installed; the Python that runs its suite.
fn set_up(folder: &Path) -> Result<PathBuf, Error> {
    let (venv, sources) = (folder.join("venv"), folder.join(FOLDER));
    let python = venv.join("bin/python");
    let ready = venv.join(".ready");
    let wanted = [&[PROJECT], &TOOLS[..]].concat().join("\n");
    if fs::read_to_string(&ready).is_ok_and(|had| had == wanted) && sources.is_dir() && runs(&python) {
        println!("-- {} is set up already", built::shown(&venv));
        return Ok(python);
    }
    python::need_venv()?;
    // Half a set-up that was broken off is not built upon.
    remove(&venv)?;
    remove(&sources)?;
    make(folder)?;
    let shown = folder.display().to_string();
    let venv_shown = venv.display().to_string();
    run(&["python3", "-m", "venv", &venv_shown])?;
    let pip = venv.join("bin/pip").display().to_string();
    let quiet = ["--quiet", "--disable-pip-version-check"];
    let fetch = ["download", "--no-deps", "--no-binary", "attrs", "--dest", &shown, PROJECT];
    fetched(&[&[pip.as_str()], &fetch[..1], &quiet, &fetch[1..]].concat())?;
    let archive = folder.join(format!("{FOLDER}.tar.gz")).display().to_string();
    run(&["tar", "-xzf", &archive, "-C", &shown])?;
    fetched(&[&[pip.as_str(), "install"], &quiet[..], &[archive.as_str()], &TOOLS].concat())?;
    fs::write(&ready, wanted).map_err(|source| Error::File { what: "cannot write", path: ready, source })?;
    Ok(python)
}

fn runs(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import pytest, attr"]).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a line that needs the network, and says so if it fails.
fn fetched(line: &[&str]) -> Result<(), Error> {
    run(line).map_err(|error| {
        Error::Wrong(format!(
            "{error}\nThis step fetches from PyPI: see that the network is there (PIP_INDEX_URL names another index) and \
             start again; `cargo xtask demo --only jobs` shows the part that needs none"
        ))
    })
}
