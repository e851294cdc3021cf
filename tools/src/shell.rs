//! What goes beside the program: completions for shells and man pages, made from the command line's types.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Error;

/// The program's name.
const NAME: &str = "riquet";

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder that they are written to, such as /usr/local/share/man/man1
    dir: PathBuf,
}

/// Prints completions.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    let mut out = io::stdout().lock();
    let written = out.write_all(&script).and_then(|()| out.flush());
    written.map_err(Error::file("write", "standard output"))
}

/// Writes a man page of each command.
pub(crate) fn man(args: &ManArgs) -> Result<(), Error> {
    fs::create_dir_all(&args.dir).map_err(Error::file("make", &args.dir))?;
    clap_mangen::generate_to(Cli::command(), &args.dir).map_err(Error::file("write to", &args.dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let args = ManArgs {
            dir: dir.path().join("man1"),
        };
        man(&args).unwrap();
        for name in [
            "riquet",
            "riquet-status",
            "riquet-rebalance-plan",
            "riquet-disk-replace",
        ] {
            let page = fs::read_to_string(args.dir.join(format!("{name}.1"))).unwrap();
            assert!(page.contains(".SH SYNOPSIS"), "{name}");
        }
    }

    #[test]
    fn every_shell_has_completions() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
            assert!(
                String::from_utf8(script).unwrap().contains("rebalance"),
                "{shell}"
            );
        }
    }
}
