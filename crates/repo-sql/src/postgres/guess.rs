//! A guess that is cheap when it is right, and made less often the more often
//! it was wrong.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Most times in a row that the guess is not made after it was wrong.
const LONGEST_PAUSE: u32 = 64;

/// Likely until it was wrong; then after a pause, twice as long each time.
#[derive(Debug, Default)]
pub(super) struct Guess {
    /// How often it is not to be made yet.
    pause: AtomicU32,
    /// How long the last pause was.
    last: AtomicU32,
    /// Whether it was right the last time.
    right: AtomicBool,
}

impl Guess {
    /// Whether to make it now. To be asked once each time.
    pub(super) fn is_likely(&self) -> bool {
        let less = |pause: u32| pause.checked_sub(1);
        self.pause.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
    }

    /// Whether it was right the last time that it was made.
    pub(super) fn is_confirmed(&self) -> bool {
        self.right.load(Ordering::Relaxed)
    }

    pub(super) fn was_right(&self) {
        self.right.store(true, Ordering::Relaxed);
        self.last.store(0, Ordering::Relaxed);
    }

    pub(super) fn was_wrong(&self) {
        self.right.store(false, Ordering::Relaxed);
        let pause = (self.last.load(Ordering::Relaxed) * 2).clamp(1, LONGEST_PAUSE);
        self.last.store(pause, Ordering::Relaxed);
        self.pause.store(pause, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_made_until_it_was_wrong_and_then_ever_more_seldom() {
        let guess = Guess::default();
        let made = (0..200).map(|_| {
            let made = guess.is_likely();
            if made {
                guess.was_wrong();
            }
            made
        });
        let at: Vec<usize> = made.enumerate().filter_map(|(at, made)| made.then_some(at)).collect();
        assert_eq!(at, [0, 2, 5, 10, 19, 36, 69, 134, 199]);
    }

    #[test]
    fn a_right_guess_is_made_again_at_once() {
        let guess = Guess::default();
        for _ in 0..3 {
            guess.was_wrong();
            while !guess.is_likely() {}
        }
        assert!(!guess.is_confirmed());
        guess.was_right();
        assert!(guess.is_confirmed() && guess.is_likely() && guess.is_likely());
        guess.was_wrong();
        assert!(!guess.is_confirmed());
        assert!(!guess.is_likely() && guess.is_likely());
    }
}
