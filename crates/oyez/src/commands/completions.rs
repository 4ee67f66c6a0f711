//! `oyez completions`: for the shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::error::Outcome;
use crate::exit;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez completions bash > ~/.local/share/bash-completion/completions/oyez
  oyez completions zsh > ~/.zfunc/_oyez
  oyez completions fish > ~/.config/fish/completions/oyez.fish")]
pub struct Args {
    /// Which shell
    shell: Shell,
}

/// Prints it.
pub fn run(args: &Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "oyez", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(exit::SUCCESS)
}
