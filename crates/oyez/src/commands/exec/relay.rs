//! What the command left in the background prints on after the command's end, into a pipe of ours. The caller is to get
//! the exit code now, and what is printed later is to arrive all the same: a process of its own stays behind for each
//! such pipe and copies it to where it belongs, until its end.
//!
//! It is this program once more, called with [`WORD`]; its standard input is the pipe, its standard output the place.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use oyez_model::event::Stream;

use super::output::{PIECE, pass_on};

/// The only argument of such a process. It is no subcommand: nobody is to call it by hand.
const WORD: &str = "__relay-output";

/// Leaves a process behind that passes on what comes from `from`; it is given back when that cannot be done.
pub fn leave(from: File, stream: Stream) -> Result<(), File> {
    let spawn = || -> io::Result<()> {
        let to = match stream {
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned()?,
            _ => io::stdout().as_fd().try_clone_to_owned()?,
        };
        let mut command = Command::new("/proc/self/exe");
        command.arg(WORD).stdin(from.try_clone()?).stdout(to).stderr(Stdio::null());
        // In a group of its own: Ctrl-C at the prompt that comes back is not meant for it.
        command.process_group(0).current_dir("/").env_clear();
        command.spawn().map(|_| ())
    };
    spawn().map_err(|_| from)
}

/// Whether this process was started to be such a one; it has done its work then.
#[must_use]
pub fn was_asked() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|word| word != WORD) || arguments.next().is_some() {
        return false;
    }
    let (mut from, to) = (io::stdin().lock(), io::stdout());
    let mut buffer = vec![0; PIECE];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return true,
            Ok(n) if pass_on(&to, &buffer[..n]).is_ok() => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // Nobody reads any more, or all who held the terminal have closed it.
            _ => return true,
        }
    }
}
