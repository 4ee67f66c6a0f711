//! Which crate may use which, as DESIGN.md draws it, and how long a file may be.
//!
//! The order of [`ORDER`] is the rule: a crate may use only crates above it. Beyond that the pure crates do no I/O,
//! SQL stands in the store alone, and the engine is never a server.

#![expect(clippy::expect_used, reason = "a workspace that cannot be read cannot be judged")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates, lowest first.
const ORDER: [&str; 9] = [
    "oyez-model",
    "oyez-wire",
    "oyez-client",
    "oyez-store",
    "oyez-engine",
    "oyez-report",
    "oyez-sink",
    "oyez-server",
    "oyez",
];

/// Members of the workspace that are tools of its developers: they may use anything, nothing may use them.
const TOOLS: [&str; 2] = ["oyez-bench", "xtask"];

const PURE: [&str; 2] = ["oyez-model", "oyez-wire"];

/// Runtimes, files, sockets, databases, clocks' wake-ups: what a pure crate has no business with.
const DOES_IO: [&str; 24] = [
    "async-io",
    "async-std",
    "axum",
    "crossbeam-channel",
    "fail",
    "fs-err",
    "hyper",
    "hyper-util",
    "mio",
    "nix",
    "notify",
    "object_store",
    "polling",
    "rand",
    "reqwest",
    "rustix",
    "signal-hook",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tokio-util",
    "ureq",
    "walkdir",
];

/// Databases of our own: the store's matter.
const SQLITE: [&str; 4] = ["libsqlite3-sys", "limbo", "rusqlite", "sqlite"];

/// Clients of databases: the store's, and those of a peer that a sink writes to.
const SQL: [&str; 6] = ["diesel", "mysql", "mysql_async", "postgres", "sqlx", "tokio-postgres"];

/// What makes a process a server. hyper itself can be a client: only its feature `server` is meant.
const SERVERS: [&str; 7] = ["actix-web", "axum", "poem", "rocket", "tide", "tiny_http", "warp"];

/// No file of source is longer.
const MAX_LINES: usize = 800;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// In what is built, or in what builds it.
    Built,
    /// In tests only.
    Tests,
}

#[derive(Clone, Debug)]
struct Arrow {
    to: String,
    kind: Kind,
    features: Vec<String>,
}

/// The workspace's members and what each uses.
type Graph = BTreeMap<String, Vec<Arrow>>;

/// What `cargo metadata` says of the workspace.
fn read_graph(metadata: &serde_json::Value) -> Graph {
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    let list = |v: &serde_json::Value| v.as_array().cloned().unwrap_or_default();
    let arrow = |dependency: &serde_json::Value| Arrow {
        to: text(&dependency["name"]),
        kind: if dependency["kind"] == "dev" { Kind::Tests } else { Kind::Built },
        features: list(&dependency["features"]).iter().map(text).collect(),
    };
    let package = |package: &serde_json::Value| {
        (text(&package["name"]), list(&package["dependencies"]).iter().map(arrow).collect())
    };
    list(&metadata["packages"]).iter().map(package).collect()
}

fn reaches(graph: &Graph, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            let built = graph.get(at).into_iter().flatten().filter(|arrow| arrow.kind == Kind::Built);
            open.extend(built.map(|arrow| arrow.to.as_str()));
        }
    }
    false
}

/// Every arrow that may not be there, as a sentence.
fn forbidden(graph: &Graph) -> Vec<String> {
    let place = |name: &str| ORDER.iter().position(|o| *o == name);
    let mut wrong = Vec::new();
    for (name, arrows) in graph {
        if place(name).is_none() && !TOOLS.contains(&name.as_str()) {
            wrong.push(format!("{name} has no place in the order of crates: give it one, in DESIGN.md too"));
        }
        for arrow in arrows {
            let to = arrow.to.as_str();
            let is_tool = TOOLS.contains(&name.as_str());
            let built = arrow.kind == Kind::Built && !is_tool;
            if graph.contains_key(to) {
                if TOOLS.contains(&to) {
                    wrong.push(format!("{name} uses {to}, a tool"));
                } else if built && place(to) >= place(name) {
                    wrong.push(format!("{name} uses {to}, which does not stand above it"));
                } else if arrow.kind == Kind::Tests && to != name && reaches(graph, to, name) {
                    // Using itself is how a crate's tests turn its own features on.
                    wrong.push(format!("the tests of {name} use {to}, which uses {name}: a circle"));
                }
            }
            let is_sql = SQLITE.contains(&to) || SQL.contains(&to);
            if built && PURE.contains(&name.as_str()) && (DOES_IO.contains(&to) || is_sql) {
                wrong.push(format!("{name} is pure and uses {to}"));
            }
            let may_sql = name == "oyez-store" || name == "oyez-sink" && !SQLITE.contains(&to);
            if built && is_sql && !may_sql {
                wrong.push(format!("{name} uses {to}: SQL of ours stands in oyez-store only"));
            }
            let serves = to.starts_with("hyper") && arrow.features.iter().any(|f| f == "server");
            if built && name == "oyez-engine" && (serves || SERVERS.contains(&to)) {
                wrong.push(format!("{name} uses {to}: the engine may be a client, never a server"));
            }
        }
    }
    wrong
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(workspace());
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("metadata is JSON")
}

#[test]
fn the_crates_use_each_other_as_the_design_allows() {
    let graph = read_graph(&metadata());
    assert!(graph.contains_key("oyez-model") && graph.contains_key("oyez-store"), "{graph:?}");
    let wrong = forbidden(&graph);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A graph from lines such as `oyez-store -> oyez-model`, `=>` for what only tests use, `hyper+server` for a feature.
fn drawn(lines: &[&str]) -> Graph {
    let mut graph: Graph = ORDER.iter().chain(&TOOLS).map(|name| ((*name).to_owned(), Vec::new())).collect();
    for line in lines {
        let kind = if line.contains("=>") { Kind::Tests } else { Kind::Built };
        let (from, to) = line.split_once("=>").or_else(|| line.split_once("->")).expect("an arrow");
        let (to, feature) = to.split_once('+').map_or((to, None), |(to, feature)| (to, Some(feature)));
        let features = feature.iter().map(|f| (*f).to_owned()).collect();
        let arrow = Arrow { to: to.trim().to_owned(), kind, features };
        graph.entry(from.trim().to_owned()).or_default().push(arrow);
    }
    graph
}

#[test]
fn arrows_that_the_design_allows_are_let_through() {
    let allowed = drawn(&[
        "oyez-model -> minicbor",
        "oyez-store -> oyez-model",
        "oyez-store -> rusqlite",
        "oyez-engine -> oyez-store",
        "oyez-engine -> hyper+client",
        "oyez-server -> hyper+server",
        "oyez-model => tempfile",
        "oyez-store => oyez-report",
        "oyez-store => oyez-store",
        "oyez-sink -> mysql_async",
        "oyez-report -> oyez-model",
        "oyez -> oyez-server",
        "xtask -> oyez",
        "oyez-bench -> rusqlite",
    ]);
    assert_eq!(forbidden(&allowed), [""; 0]);
}

#[test]
fn each_forbidden_arrow_is_noticed() {
    let cases: [(&[&str], &str); 12] = [
        (&["oyez-model -> oyez-wire"], "oyez-model uses oyez-wire, which does not stand above it"),
        (&["oyez-engine -> oyez-server"], "oyez-engine uses oyez-server, which does not stand above it"),
        (&["oyez -> oyez"], "oyez uses oyez, which does not stand above it"),
        (&["oyez-store -> xtask"], "oyez-store uses xtask, a tool"),
        (&["oyez-wire -> tokio"], "oyez-wire is pure and uses tokio"),
        (&["oyez-report -> rusqlite"], "oyez-report uses rusqlite: SQL of ours stands in oyez-store only"),
        (&["oyez-sink -> rusqlite"], "oyez-sink uses rusqlite: SQL of ours stands in oyez-store only"),
        (&["oyez-engine -> axum"], "oyez-engine uses axum: the engine may be a client, never a server"),
        (
            &["oyez-engine -> hyper+server"],
            "oyez-engine uses hyper: the engine may be a client, never a server",
        ),
        (
            &["oyez-more -> oyez-model"],
            "oyez-more has no place in the order of crates: give it one, in DESIGN.md too",
        ),
        (
            &["oyez-model => oyez-store", "oyez-store -> oyez-model"],
            "the tests of oyez-model use oyez-store, which uses oyez-model: a circle",
        ),
        (
            &["oyez-store => oyez-engine", "oyez-engine -> oyez-report", "oyez-report -> oyez-store"],
            "the tests of oyez-store use oyez-engine, which uses oyez-store: a circle",
        ),
    ];
    for (lines, sentence) in cases {
        let wrong = forbidden(&drawn(lines));
        assert!(wrong.iter().any(|w| w == sentence), "{lines:?} gave {wrong:?}");
    }
}

/// Rust files of the crates and of xtask, with how many lines each has.
fn sources(root: &Path) -> Vec<(PathBuf, usize)> {
    let children = |dir: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let mut open: Vec<PathBuf> = children(&root.join("crates")).iter().map(|dir| dir.join("src")).collect();
    open.push(root.join("xtask/src"));
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        for path in children(&dir) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let lines = std::fs::read_to_string(&path).expect("a source is text").lines().count();
                found.push((path, lines));
            }
        }
    }
    found
}

fn too_long(sources: &[(PathBuf, usize)]) -> Vec<String> {
    let long = sources.iter().filter(|(_, lines)| *lines > MAX_LINES);
    long.map(|(path, lines)| format!("{} has {lines} lines: split it by concern", path.display())).collect()
}

#[test]
fn no_source_file_is_longer_than_800_lines() {
    let sources = sources(&workspace());
    assert!(sources.iter().any(|(path, _)| path.ends_with("oyez-model/src/lib.rs")));
    assert!(sources.iter().any(|(path, _)| path.ends_with("xtask/src/main.rs")));
    let long = too_long(&sources);
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn a_file_that_is_too_long_is_noticed() {
    let files = [(PathBuf::from("a.rs"), MAX_LINES), (PathBuf::from("b.rs"), MAX_LINES + 1)];
    assert_eq!(too_long(&files), ["b.rs has 801 lines: split it by concern"]);
}
