//! What the figures were measured on.

use std::io;

/// The machine's processor.
pub(crate) struct Cpu {
    /// Its name and numbers, for people.
    pub(crate) name: String,
}

impl Cpu {
    /// Reads it from the kernel.
    pub(crate) fn of_this_machine() -> io::Result<Cpu> {
        let info = std::fs::read_to_string("/proc/cpuinfo")?;
        let field = |name: &str| {
            let line = info
                .lines()
                .find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
            line.and_then(|line| line.split(':').nth(1))
                .map(|value| value.trim().to_owned())
        };
        let mut name = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        if let (Some(family), Some(model)) = (field("cpu family"), field("model")) {
            name += &format!(" (family {family}, model {model})");
        }
        Ok(Cpu { name })
    }

    /// Its name as a file's.
    pub(crate) fn slug(&self) -> String {
        let words = self.name.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join("-").to_lowercase()
    }
}
