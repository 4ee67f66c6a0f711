//! The numbers that Oyez promises, each measured by the code that is shipped. `cargo xtask bench [NAME...]` runs this.

mod corpus;
mod ingest;
mod table;

use table::Table;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| name.starts_with(w.as_str()));
    let mut table = Table::default();
    if is_wanted("ingest") {
        ingest::run(&mut table);
    }
    table.print();
}
