//! Each command that the documentation shows is run, and the examples end as their list says.
//!
//! In README.md and docs/*.md, every line `$ ...` of a block ```` ```console ```` is typed into a shell, from the first to
//! the last of the file, in one folder with the examples and a store that holds one job. It must end with 0, or with the
//! code that a comment before the block names: `<!-- exit 1 -->`. From a block on before which `<!-- server -->` stands, commands
//! find a server on that store in `OYEZ_SERVER`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may: its panic is the report")]

#[expect(dead_code, reason = "not everything that drives the command is needed here")]
#[path = "command/lab.rs"]
mod lab;
#[expect(dead_code, reason = "not everything that drives a server is needed here")]
#[path = "serve/serve.rs"]
mod serve;
#[path = "../../../tests/skipped.rs"]
mod skipped;

use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{Done, Lab};
use serve::{Server, serve};

fn root() -> PathBuf {
    std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// A command of a document.
#[derive(Debug, PartialEq)]
struct Shown {
    line: usize,
    text: String,
    code: i32,
    has_server: bool,
}

/// The commands of a document, in order.
fn shown(document: &str) -> Vec<Shown> {
    let (mut out, mut inside, mut code, mut has_server) = (Vec::new(), false, 0, false);
    for (i, line) in document.lines().enumerate() {
        if inside {
            match line.strip_prefix("$ ") {
                Some(text) => out.push(Shown { line: i + 1, text: text.to_owned(), code, has_server }),
                None if line.starts_with("```") => (inside, code) = (false, 0),
                None => {}
            }
        } else if line.starts_with("```console") {
            inside = true;
        } else if line == "<!-- server -->" {
            has_server = true;
        } else if let Some(named) = line.strip_prefix("<!-- exit ") {
            code = named
                .trim_end_matches(" -->")
                .parse()
                .unwrap_or_else(|e| panic!("line {}: {e}: {line}", i + 1));
        } else if !line.trim().is_empty() {
            // The comment stands right before its block.
            code = 0;
        }
    }
    out
}

/// Copies a folder of the repository, with all below it.
fn copy(lab: &Lab, folder: &str) {
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            copy(lab, &name);
        } else {
            let copied = lab.write(&name, std::fs::read(&path).unwrap());
            std::fs::set_permissions(copied, std::fs::metadata(&path).unwrap().permissions()).unwrap();
        }
    }
}

/// A folder with the examples and a store of one job.
fn prepared() -> Lab {
    let lab = Lab::new();
    copy(&lab, "examples");
    lab.oyez(&["exec", "--name", "the first job", "--", "echo", "hello"]).ended(0);
    lab
}

/// Types a line into a shell where `oyez` is the one that was built.
fn typed(lab: &Lab, text: &str, server: Option<&Server>) -> Done {
    let of_oyez = lab.command(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", text]).current_dir(lab.path(".")).stdin(std::process::Stdio::null()).env_clear();
    shell.envs(of_oyez.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.envs(server.map(|server| ("OYEZ_SERVER", &server.url)));
    let here = Path::new(env!("CARGO_BIN_EXE_oyez")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(here).chain(std::env::split_paths(&path));
    shell.env("PATH", std::env::join_paths(folders).unwrap()).output().unwrap().into()
}

/// Runs every command of a document; how many there were.
fn run(document: &Path) -> usize {
    let commands = shown(&std::fs::read_to_string(document).unwrap());
    if commands.is_empty() {
        return 0;
    }
    let lab = prepared();
    let mut server = None;
    for Shown { line, text, code, has_server } in &commands {
        if *has_server && server.is_none() {
            server = Some(serve(&lab, &[]));
        }
        let done = typed(&lab, text, server.as_ref());
        let name = document.file_name().unwrap().display();
        assert_eq!(done.code, Some(*code), "{name}:{line}: {text}\n{}\n{}", done.text(), done.err);
    }
    commands.len()
}

#[test]
fn the_readme_shows_commands_that_work() {
    assert!(run(&root().join("README.md")) >= 3);
}

#[test]
fn the_documentation_shows_commands_that_work() {
    let mut files: Vec<_> =
        std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "md"));
    files.sort();
    let commands: usize = files.iter().map(|file| run(file)).sum();
    assert!(commands >= 20, "only {commands}");
}

#[test]
fn commands_are_found_in_their_blocks_with_their_codes() {
    let document = "$ not this\n```console\n$ a b\nits output\n$ c\n```\n<!-- exit 2 -->\n\n```console\n$ d\n```\n```sh\n$ no\n```\n\
                    <!-- exit 3 -->\ntext\n```console\n$ e\n```\n";
    let shown: Vec<_> = shown(document).into_iter().map(|s| (s.line, s.text, s.code)).collect();
    let command = |line, text: &str, code| (line, text.to_owned(), code);
    assert_eq!(shown, [command(3, "a b", 0), command(5, "c", 0), command(10, "d", 2), command(18, "e", 0)]);
}

#[test]
fn links_of_the_documentation_lead_somewhere() {
    let mut files =
        vec![root().join("README.md"), root().join("ARCHITECTURE.md"), root().join("CHANGELOG.md")];
    for folder in ["docs", "examples"] {
        files.extend(std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.retain(|path| path.extension().is_some_and(|e| e == "md"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            if path.is_empty() || link.contains("://") {
                continue;
            }
            let there = file.parent().unwrap().join(path);
            assert!(there.exists(), "{}: there is no {link}", file.display());
        }
    }
}

#[test]
fn every_example_ends_with_the_code_that_its_list_says() {
    let lab = prepared();
    let list = lab.read("examples/README.md");
    let mut seen = Vec::new();
    for row in list.lines().filter(|line| line.starts_with("| [")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let code: i32 = cells[2].parse().unwrap();
        for name in cells[0].split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = format!("examples/{name}");
            let plugins = ["--plugins", "examples/plugins", "--format", "quiet"];
            let mut running = lab.start(&[&["run", &file, "--out", "out"], &plugins[..]].concat());
            if code == 4 {
                lab.wait_for("target_in");
                running.signal(rustix::process::Signal::INT);
            }
            running.end().ended(code);
            seen.push(name.split('/').next().unwrap().to_owned());
        }
    }
    seen.push("README.md".to_owned());
    seen.sort();
    let mut there: Vec<_> = std::fs::read_dir(root().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    assert_eq!(seen, there, "every example is in the list");
}
