//! The numbers that Oyez promises, each measured by the code that is shipped. `cargo xtask bench [NAME...]` runs this;
//! with `--full` the other side is measured at full size as well, which takes minutes.

mod browser;
mod command;
mod corpus;
mod engine;
mod ingest;
mod measure;
mod pyats;
mod search;
mod sections;
mod service;
mod table;

use table::Table;

type Part = fn(&mut Table);

/// What can be asked for by name.
const PARTS: [(&str, Part); 7] = [
    ("ingest", ingest::run),
    ("sections", sections::run),
    ("engine", engine::run),
    ("command", command::run),
    ("pyats", pyats::run),
    ("search", search::run),
    ("service", service::run),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [word, folder] = &wanted[..]
        && word == sections::MAKE
    {
        return sections::make(std::path::Path::new(folder));
    }
    let names: Vec<&String> = wanted.iter().filter(|word| !word.starts_with("--")).collect();
    let mut table = Table::default();
    for (name, part) in PARTS {
        if names.is_empty() || names.iter().any(|w| *w == name) {
            println!("\n== {name}");
            part(&mut table);
        }
    }
    table.print();
}
