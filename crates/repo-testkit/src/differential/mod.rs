//! Random histories on the memory strategy and on another one at once, with
//! one clock: the same answers, the same errors, the same final state.

mod answer;
mod resolve;
mod run;

pub use run::run;

/// Makes a test `$name` that compares a strategy with the memory strategy.
///
/// `$place` is a closure that makes a fresh [`Place`](crate::Place):
///
/// ```ignore
/// repo_testkit::differential!(like_the_reference, || async { JsonPlace::split() });
/// ```
///
/// About 2,000 operations by default; `REPO_TESTKIT_OPERATIONS` asks for more,
/// `REPO_TESTKIT_SEED` for other ones. A failure is made as small as possible
/// and printed as a history.
#[macro_export]
macro_rules! differential {
    ($(#[$attribute:meta])* $name:ident, $place:expr) => {
        $(#[$attribute])*
        #[test]
        fn $name() {
            $crate::differential::run($place);
        }
    };
}
