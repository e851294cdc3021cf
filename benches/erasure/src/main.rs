//! `erasure-table`: turns what criterion has measured into one Markdown page,
//! prints it, and keeps it under the CPU's name.
//!
//! `erasure-table CRITERION_FOLDER`

mod cpu;
mod page;
mod results;

use std::path::Path;
use std::process::ExitCode;

use cpu::Cpu;
use results::Results;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: erasure-table CRITERION_FOLDER");
        return ExitCode::from(2);
    };
    match run(Path::new(&folder)) {
        Ok(page) => {
            print!("{page}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("erasure-table: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path) -> std::io::Result<String> {
    let cpu = Cpu::of_this_machine()?;
    let page = page::page(&cpu, &Results::read(folder)?);
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    std::fs::create_dir_all(&kept)?;
    std::fs::write(kept.join(format!("{}.md", cpu.slug())), &page)?;
    Ok(page)
}
