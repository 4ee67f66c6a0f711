//! The numbers that Oyez promises, each measured by the code that is shipped. `cargo xtask bench [NAME...]` runs this.

mod browser;
mod command;
mod corpus;
mod engine;
mod ingest;
mod measure;
mod sections;
mod table;

use table::Table;

type Part = fn(&mut Table);

/// What can be asked for by name.
const PARTS: [(&str, Part); 4] = [
    ("ingest", ingest::run),
    ("sections", sections::run),
    ("engine", engine::run),
    ("command", command::run),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [word, folder] = &wanted[..]
        && word == sections::MAKE
    {
        return sections::make(std::path::Path::new(folder));
    }
    let mut table = Table::default();
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            println!("\n== {name}");
            part(&mut table);
        }
    }
    table.print();
}
