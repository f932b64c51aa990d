//! The last words of a command, and the exit code of the process.

use std::process::ExitCode;

use crate::exit_code::{self, Ending};
use crate::failure::{ErrorObject, Failure, Outcome, for_people, wrong_usage};
use crate::output::{Format, Output, complain};

/// Reports how a command ended, and turns that into the exit code.
#[must_use]
pub fn report(output: Output, ending: Outcome<Ending>) -> ExitCode {
    match ending {
        Ok(ending) => ending.code().into(),
        Err(Failure::ReaderGone) => exit_code::DONE.into(),
        Err(Failure::Reported(error)) => {
            complain(&for_people(&error));
            exit_code::of(error.kind()).into()
        }
        Err(Failure::Error(error)) => {
            complain(&for_people(&error));
            output.error(&error);
            exit_code::of(error.kind()).into()
        }
    }
}

/// Reports a command line that could not be read: to people in `words`, whose first line
/// says what is wrong with it, and to a program as well if it asked for JSON.
#[must_use]
pub fn misread(words: &str, json: bool) -> ExitCode {
    complain(words);
    if json {
        let message = words.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let error =
            wrong_usage("read the command line", message).hint("--help lists what can be given");
        let object = serde_json::to_string(&ErrorObject::new(&error)).unwrap_or_default();
        let output = Output { format: Format::Json, quiet: true };
        let _ = output.text(&object);
    }
    ExitCode::from(exit_code::USAGE)
}
