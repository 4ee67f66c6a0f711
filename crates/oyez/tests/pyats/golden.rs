//! The golden job, run by real pyATS, against what the real server made of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::{oyez, pyats, run, shared, text};

const MOST: Duration = Duration::from_secs(180);

/// How real pyATS is brought to report here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `oyez pyats run job`.
    Command,
    /// `pyats run job`, with the Python package installed.
    Package,
}

/// A run of the golden job.
pub struct Golden {
    pub shared: PathBuf,
    folder: tempfile::TempDir,
    pub output: Output,
}

impl Golden {
    /// Runs it; none when something that it needs is not here.
    pub fn run(way: Way, strict: bool, environment: &[(&str, String)]) -> Option<Golden> {
        Self::run_beside(way, strict, environment, |_, _, _| ()).map(|(golden, ())| golden)
    }

    /// The same, with something that happens meanwhile.
    pub fn run_beside<T>(
        way: Way,
        strict: bool,
        environment: &[(&str, String)],
        beside: impl FnOnce(&Path, &Path, &Path) -> T,
    ) -> Option<(Golden, T)> {
        let (shared, venv) = (shared()?, pyats()?);
        let folder = tempfile::Builder::new().prefix("oyg").tempdir().unwrap();
        let job = folder.path().join("job");
        std::fs::create_dir(&job).unwrap();
        for entry in std::fs::read_dir(shared.join("golden/pyats/job")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::write(job.join(path.file_name().unwrap()), std::fs::read(&path).unwrap()).unwrap();
        }
        let runinfo = folder.path().join("R");
        let mut path = vec![venv.join("bin")];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let mut python_path = vec![job.clone()];
        let mut command = match way {
            Way::Command => {
                let mut command = Command::new(oyez());
                command.arg("pyats");
                if strict {
                    command.arg("--strict");
                }
                command
            }
            Way::Package => {
                python_path.push(install(&venv, folder.path()));
                let mut command = Command::new(venv.join("bin/pyats"));
                command.env("OYEZ_BIN", oyez());
                if strict {
                    command.env("OYEZ_PYATS_STRICT", "1");
                }
                command
            }
        };
        command
            .args([
                "run",
                "job",
                "golden_job.py",
                "--configuration",
                "easypy_config.yaml",
                "--xunit",
                "--no-mail",
            ])
            .arg("--runinfo-dir")
            .arg(&runinfo)
            .arg("--archive-dir")
            .arg(folder.path().join("A"))
            .current_dir(&job)
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("PYTHONPATH", std::env::join_paths(python_path).unwrap())
            .env("OYEZ_DATA", folder.path().join("data"))
            .envs(environment.iter().map(|(k, v)| (*k, v)));
        let (output, beside) = std::thread::scope(|scope| {
            let running = scope.spawn(|| run(&mut command, MOST));
            let beside = beside(&venv, &shared, &runinfo);
            (running.join().unwrap(), beside)
        });
        Some((Golden { shared, folder, output }, beside))
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the run said.
    pub fn said(&self) -> String {
        format!("{}\n{}", text(&self.output.stdout), text(&self.output.stderr))
    }

    /// The archive, unpacked.
    pub fn archive(&self) -> PathBuf {
        let to = self.folder.path().join("unpacked");
        if !to.exists() {
            let mut zips = Vec::new();
            let mut todo = vec![self.folder.path().join("A")];
            while let Some(folder) = todo.pop() {
                for entry in std::fs::read_dir(&folder).into_iter().flatten() {
                    let path = entry.unwrap().path();
                    match path.is_dir() {
                        true => todo.push(path),
                        false if path.extension().is_some_and(|e| e == "zip") => zips.push(path),
                        false => {}
                    }
                }
            }
            let [zip] = &zips[..] else { panic!("no archive: {}", self.said()) };
            let unpacked = run(
                Command::new("python3").args(["-m", "zipfile", "-e"]).arg(zip).arg(&to),
                Duration::from_secs(30),
            );
            assert!(unpacked.status.success());
        }
        to
    }

    /// The differences of one file from what the real server wrote.
    pub fn differences(&self, name: &str) -> Vec<String> {
        let mut command = Command::new("python3");
        command.arg(self.shared.join("tools/pyats_compare.py"));
        if name.ends_with(".xml") {
            command.arg("--xml");
        }
        let output = run(
            command.arg(self.shared.join("golden/pyats").join(name)).arg(self.archive().join(name)),
            Duration::from_secs(60),
        );
        let said = text(&output.stdout);
        let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
        let last = lines.pop().unwrap_or_default();
        assert!(last.ends_with(" differences"), "{said}{}", text(&output.stderr));
        // The archive has the name that this run gave it.
        lines.retain(|line| !line.starts_with("/aereport/testsuite/archivefile: "));
        lines
    }

    /// What `oyez list` says of the job.
    pub fn listed(&self) -> serde_json::Value {
        let output = run(
            Command::new(oyez()).args(["list", "--format", "json", "--data"]).arg(self.data()),
            Duration::from_secs(30),
        );
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()[0].clone()
    }
}

/// Installs the Python package into a folder, as `pip install` does.
fn install(venv: &Path, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/python");
    // A copy, so that what the build leaves behind is not in the source tree.
    let copy = folder.join("source");
    let mut copied = Command::new("cp");
    assert!(run(copied.arg("-r").arg(source).arg(&copy), Duration::from_secs(30)).status.success());
    let to = folder.join("installed");
    let installed = run(
        Command::new(venv.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(&to)
            .arg(&copy),
        MOST,
    );
    assert!(installed.status.success(), "{}", text(&installed.stderr));
    to
}

const FILES: [&str; 3] = ["results.json", "ResultsDetails.xml", "ResultsSummary.xml"];

fn is_as_the_real_one(way: Way) {
    let Some(golden) = Golden::run(way, true, &[]) else { return };
    for file in FILES {
        let differences = golden.differences(file);
        assert!(differences.is_empty(), "{file}: {differences:#?}\n{}", golden.said());
    }
    let job = golden.listed();
    assert_eq!((&job["name"], &job["complete"]), (&"golden_job".into(), &"yes".into()), "{job}");
}

#[test]
fn the_golden_job_by_the_command_gives_the_real_server_s_files() {
    is_as_the_real_one(Way::Command);
}

#[test]
fn the_golden_job_by_the_package_gives_the_real_server_s_files() {
    is_as_the_real_one(Way::Package);
}

#[test]
fn by_default_only_the_test_with_parallel_steps_differs_and_it_passes() {
    let Some(golden) = Golden::run(Way::Command, false, &[]) else { return };
    for line in golden.differences("results.json") {
        let rolls_up = ["report.summary", "report/TaskA.summary", "report.result", "report/TaskA.result"];
        assert!(
            // What comes later stands at other lines of the same log.
            line.contains("ForkTestcase")
                || line.contains(".logs.begin_lines: ")
                || rolls_up.iter().any(|place| line.starts_with(place)),
            "{line}\n{}",
            golden.said()
        );
    }
    let results: serde_json::Value =
        serde_json::from_slice(&std::fs::read(golden.archive().join("results.json")).unwrap()).unwrap();
    let sections = results["report"]["tasks"][0]["sections"].as_array().unwrap();
    let fork = sections.iter().find(|s| s["id"] == "ForkTestcase").unwrap();
    assert_eq!(fork["result"]["value"], "passed", "{fork}");
}

#[test]
fn a_subscriber_is_told_what_the_real_server_tells() {
    let listened = Golden::run_beside(Way::Command, true, &[], |venv, shared, runinfo| {
        Command::new(venv.join("bin/python"))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pyats/events.py"))
            .arg(runinfo)
            .arg(shared.join("golden/pyats/events.jsonl"))
            .arg(shared.join("tools"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap()
    });
    let Some((_, output)) = listened else { return };
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
