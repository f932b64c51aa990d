//! What is said of a run that a signal ended: the command line of this process, to be
//! given again.

use std::ffi::OsString;

use crate::output::complain;
use crate::redact::redact;

/// Tells the person what an interrupted run has done, and gives the command that
/// resumes it, without secrets.
#[must_use]
pub fn interrupted(done: &str) -> String {
    let command = redact(&command());
    complain(&format!("interrupted: {done}; to resume:\n  {command}\n"));
    command
}

/// The command that resumes an interrupted run: the one that was given,
/// quoted for a shell, without `--restart`, which would begin anew.
fn command() -> String {
    from(std::env::args_os())
}

/// The command of another step of the live migration that the command line of this process
/// asks about, without secrets.
#[must_use]
pub fn live_step(verb: &str) -> String {
    redact(&live_step_from(std::env::args_os(), verb))
}

fn live_step_from(given: impl IntoIterator<Item = OsString>, verb: &str) -> String {
    let mut given = given.into_iter();
    let mut words = Vec::new();
    while let Some(word) = given.next() {
        let text = word.to_string_lossy();
        let follows_live = words.last().is_some_and(|last| last == "live");
        match text.as_ref() {
            "status" if follows_live => words.push(OsString::from(verb)),
            "--watch" => {}
            "--format" => drop(given.next()),
            format if format.starts_with("--format=") => {}
            _ => words.push(word),
        }
    }
    from(words)
}

fn from(given: impl IntoIterator<Item = OsString>) -> String {
    let words = given.into_iter().map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> =
        words.filter(|word| word != "--restart").map(|word| quoted(&word)).collect();
    words.join(" ")
}

/// A word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_has_the_stores_of_the_status() {
        let given = ["repoctl", "live", "status", "--watch", "--source", "json:status"];
        let given =
            given.into_iter().chain(["--target=sqlite:b", "--format", "json", "--format=x"]);
        let command = live_step_from(given.map(OsString::from), "switch");
        assert_eq!(command, "repoctl live switch --source json:status --target=sqlite:b");
    }

    #[test]
    fn a_shell_reads_the_same_words() {
        let given = ["repoctl", "migrate", "--restart", "--source", "json:a b", "it's", "", "$x"];
        let command = from(given.map(OsString::from));
        assert_eq!(command, r"repoctl migrate --source 'json:a b' 'it'\''s' '' '$x'");
    }
}
