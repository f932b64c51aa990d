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
    fn a_shell_reads_the_same_words() {
        let given = ["repoctl", "migrate", "--restart", "--source", "json:a b", "it's", "", "$x"];
        let command = from(given.map(OsString::from));
        assert_eq!(command, r"repoctl migrate --source 'json:a b' 'it'\''s' '' '$x'");
    }
}
