//! Processes of this machine, as `/proc` shows them.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A process id whose command line was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessId(Pid);

impl ProcessId {
    /// The process `pid`, when it runs and was started with `config` among its arguments.
    ///
    /// Ids are reused by the system, so an id alone never decides what is killed.
    pub(crate) fn verified(pid: i32, config: &Path) -> Option<Self> {
        let id = Self(Pid::from_raw(pid).filter(|p| p.as_raw_nonzero().get() > 1)?);
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let ours = arguments
            .split(|b| *b == 0)
            .skip(1)
            .any(|argument| argument == config.as_os_str().as_encoded_bytes());
        (ours && id.is_running()).then_some(id)
    }

    /// The process that `child` became, unless it ended already.
    ///
    /// A new program's command line shows a moment after the program was started: until then it
    /// would pass for somebody else's.
    pub(crate) fn of_child(child: &mut Child, config: &Path) -> io::Result<Option<Self>> {
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        loop {
            if let Some(id) = Self::verified(pid, config) {
                return Ok(Some(id));
            }
            if child.try_wait()?.is_some() {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The number.
    pub(crate) fn as_raw(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Whether it still runs; a zombie does not.
    pub(crate) fn is_running(self) -> bool {
        Stat::read(&self.as_raw().to_string()).is_some_and(|s| !matches!(s.state, 'Z' | 'X'))
    }

    /// Asks it to end.
    pub(crate) fn terminate(self) {
        // It may have ended already, which is what was asked.
        let _ = kill_process(self.0, Signal::TERM);
    }

    /// Ends it at once.
    pub(crate) fn kill(self) {
        let _ = kill_process(self.0, Signal::KILL);
    }

    /// CPU time that it has used so far, seconds.
    pub(crate) fn cpu_s(self) -> Option<f64> {
        Stat::read(&self.as_raw().to_string()).map(|s| s.cpu_s())
    }
}

/// CPU time that this process has used so far, seconds.
pub(crate) fn own_cpu_s() -> f64 {
    Stat::read("self").map_or(0.0, |s| s.cpu_s())
}

/// What is used here of `/proc/PID/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    state: char,
    user_ticks: u64,
    system_ticks: u64,
}

impl Stat {
    fn read(pid: &str) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Fields follow the program's name in brackets, which may itself hold brackets and spaces.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        // utime and stime are fields 14 and 15 of proc(5), the state is field 3.
        let user_ticks = fields.nth(10)?.parse().ok()?;
        let system_ticks = fields.next()?.parse().ok()?;
        Some(Self {
            state,
            user_ticks,
            system_ticks,
        })
    }

    fn cpu_s(&self) -> f64 {
        (self.user_ticks + self.system_ticks) as f64
            / rustix::param::clock_ticks_per_second() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn stat_lines_parse_whatever_the_program_is_named() {
        let line = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 777 23 5 6 20 0 9 0 100";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            stat,
            Stat {
                state: 'S',
                user_ticks: 777,
                system_ticks: 23
            }
        );
        assert_eq!(Stat::parse("42 (cut"), None);
        assert_eq!(Stat::parse("42 (short) S 1"), None);
    }

    #[test]
    fn only_a_process_with_our_configuration_is_ours() {
        let config = Path::new("/tmp/the config.toml");
        // `cat` waits for its standard input, whatever else is on its command line.
        let mut child = Command::new("sh")
            .args(["-c", "cat; exit 0", "sh", "--config"])
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let id = ProcessId::of_child(&mut child, config)
            .unwrap()
            .expect("it waits for its input");
        let pid = id.as_raw();
        assert_eq!(ProcessId::verified(pid, config), Some(id));
        assert_eq!(ProcessId::verified(pid, Path::new("/tmp/the")), None);
        assert!(id.is_running());
        assert!(id.cpu_s().is_some());
        id.kill();
        child.wait().unwrap();
        assert!(!id.is_running());
        assert_eq!(ProcessId::verified(pid, config), None);
    }

    #[test]
    fn a_child_that_ended_is_no_process() {
        let mut child = Command::new("true").spawn().unwrap();
        let found = ProcessId::of_child(&mut child, Path::new("never an argument")).unwrap();
        assert_eq!(found, None);
    }

    #[test]
    fn no_process_groups_and_no_init() {
        for pid in [-1, 0, 1] {
            assert_eq!(ProcessId::verified(pid, Path::new("x")), None);
        }
    }
}
