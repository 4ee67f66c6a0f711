//! The command `oyez`. One file for each subcommand in [`commands`]; what they share stands beside this file.
//!
//! | module | holds |
//! |---|---|
//! | [`exit`] | the exit codes |
//! | [`error`] | errors and the exit codes that go with them |
//! | [`place`] | where the store is, and opening it |
//! | [`which`] | a job by what a person types |
//! | [`show`] | tables, times, colours |
//! | [`ending`] | what is said of a job at its end, and of a descriptor that is no job |
//! | [`remote`] | a server elsewhere |
//! | [`programs`] | where programs and plugins are |
//! | [`progress`] | what is seen while a job runs: a live tree, or plain lines |
//! | [`reports`] | writing the documents of a job into a folder |
//! | [`reap`] | jobs whose process is gone |

// A reader that went away is no reason to end: `print!` and its kin panic then.
#![warn(clippy::print_stdout, clippy::print_stderr)]

/// Says something to a person on standard error, if anybody still listens there.
macro_rules! tell {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _nobody_listens = writeln!(std::io::stderr(), $($said)*);
    }};
}

mod commands;
mod ending;
mod error;
mod exit;
mod foreground;
mod place;
mod programs;
mod progress;
mod reap;
mod remote;
mod reports;
mod show;
mod which;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs test jobs, hears everything that they report, keeps it, shows it live, and gives the verdict.
#[derive(Debug, Parser)]
#[command(name = "oyez", version = VERSION, about, after_help = exit::HELP, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Also which job descriptors are understood.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (job descriptors 1.0)");

#[derive(Debug, Subcommand)]
enum Command {
    Run(commands::run::Args),
    Exec(commands::exec::Args),
    Serve(commands::serve::Args),
    Submit(commands::submit::Args),
    Stop(commands::control::StopArgs),
    Pause(commands::control::PauseArgs),
    Targets(commands::targets::Args),
    Resume(commands::control::ResumeArgs),
    Retry(commands::control::RetryArgs),
    Plan(commands::plan::Args),
    Plugin(commands::plugin::Args),
    Pyats(commands::pyats::Args),
    Import(commands::import::Args),
    List(commands::list::Args),
    Status(commands::status::Args),
    Events(commands::events::Args),
    Logs(commands::logs::Args),
    Search(commands::search::Args),
    Tags(commands::tags::Args),
    Report(commands::report::Args),
    Doctor(commands::doctor::Args),
    Fsck(commands::fsck::Args),
    Completions(commands::completions::Args),
}

fn main() -> ExitCode {
    // Stronger than whatever asks for colours (https://no-color.org).
    if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) {
        console::set_colors_enabled(false);
        console::set_colors_enabled_stderr(false);
    }
    if commands::exec::relay::was_asked() {
        return exit::code(exit::SUCCESS);
    }
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Run(args) => commands::run::run(args),
        Command::Exec(args) => commands::exec::run(args),
        Command::Serve(args) => commands::serve::run(args),
        Command::Submit(args) => commands::submit::run(args),
        Command::Stop(args) => commands::control::stop(args),
        Command::Pause(args) => commands::control::pause(args),
        Command::Targets(args) => commands::targets::run(args),
        Command::Resume(args) => commands::control::resume(args),
        Command::Retry(args) => commands::control::retry(args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Plugin(args) => commands::plugin::run(args),
        Command::Pyats(args) => commands::pyats::run(args),
        Command::Import(args) => commands::import::run(&args),
        Command::List(args) => commands::list::run(args),
        Command::Status(args) => commands::status::run(&args),
        Command::Events(args) => commands::events::run(&args),
        Command::Logs(args) => commands::logs::run(&args),
        Command::Search(args) => commands::search::run(&args),
        Command::Tags(args) => commands::tags::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Fsck(args) => commands::fsck::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
    };
    match outcome {
        Ok(code) => exit::code(code),
        Err(e) => {
            if !matches!(e, error::CommandError::OutputClosed) {
                tell!("{} {e}", show::error_mark());
            }
            exit::code(e.code())
        }
    }
}
