//! What a progress bar looks like: one line that fits the terminal's width.

use indicatif::{HumanCount, ProgressState, ProgressStyle};

use repo_migrate::Phase;

/// Columns from which on there is room for a bar and whole words.
const WIDE: u16 = 100;
/// Columns from which on there is room for a bar.
const MIDDLE: u16 = 80;

/// The look of `phase` on a terminal of `columns`, and with a known `total` or
/// without. A line fits with totals below 10,000,000.
pub(crate) fn style(phase: Phase, total: Option<u64>, columns: u16) -> ProgressStyle {
    let plain = ProgressStyle::default_bar();
    // How many there are, and so how long it takes, is an estimate.
    let template = match total {
        Some(_) if columns >= WIDE => {
            "{msg:>22} [{wide_bar}] {human_pos} of about {human_len}, {rate}, about {eta} to go"
        }
        Some(_) if columns >= MIDDLE => {
            "{msg} [{wide_bar}] {human_pos} of about {human_len}, {rate}, {eta}"
        }
        Some(_) => "{msg}, {percent}%, {rate}",
        None if phase == Phase::Index => "{msg} {spinner} {elapsed}",
        None if columns >= MIDDLE => "{msg} {spinner} {human_pos}, {rate}",
        None => "{msg} {human_pos} {rate}",
    };
    plain.clone().template(template).unwrap_or(plain).with_key("rate", rate)
}

/// Whole records a second: fractions of one say nothing.
fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let whole = state.per_sec().round() as u64;
    // The line is lost with the terminal, and then nobody reads it.
    let _ = write!(out, "{}/s", HumanCount(whole));
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::{ProgressBar, ProgressDrawTarget, TermLike};

    use super::*;

    /// A terminal that keeps what was written to it.
    #[derive(Debug, Clone)]
    struct RecordedTerminal {
        columns: u16,
        written: Arc<Mutex<String>>,
    }

    impl TermLike for RecordedTerminal {
        fn width(&self) -> u16 {
            self.columns
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.written.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.written.lock().unwrap().clear();
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line of a phase that is `position` records far.
    fn drawn(phase: Phase, total: Option<u64>, columns: u16, position: u64) -> String {
        let written = Arc::new(Mutex::new(String::new()));
        let terminal = RecordedTerminal { columns, written: written.clone() };
        let bar =
            ProgressBar::with_draw_target(total, ProgressDrawTarget::term_like(Box::new(terminal)));
        bar.set_style(style(phase, total, columns));
        bar.set_message(phase.label());
        bar.set_position(position);
        // Without it the rate would be that of one jump.
        bar.reset_eta();
        bar.force_draw();
        written.lock().unwrap().clone()
    }

    /// What a rate of five or six digits takes, in place of `0/s`.
    const LONGEST_RATE: usize = "999,999/s".len() - "0/s".len();

    #[test]
    fn a_line_fits_its_terminal() {
        for phase in [Phase::Copy, Phase::BackupCheck, Phase::CleanUp, Phase::Index] {
            for columns in [40, 79, 80, 99, 100, 120, 200] {
                for total in [None, Some(1_000_000)] {
                    let line = drawn(phase, total, columns, 999_999);
                    // A bar gives way to a longer rate.
                    let bar = line.matches(['█', '░', '-', '#', '>']).count();
                    let least =
                        line.trim_end().chars().count() - bar.min(LONGEST_RATE) + LONGEST_RATE;
                    assert!(line.contains(phase.label()), "{line:?}");
                    assert!(least <= usize::from(columns), "{columns}: {line:?}");
                }
            }
        }
    }

    #[test]
    fn rates_are_whole_numbers() {
        for columns in [40, 80, 100] {
            let line = drawn(Phase::Copy, Some(1_000), columns, 10);
            assert!(line.contains(" 0/s"), "{line:?}");
        }
    }
}
