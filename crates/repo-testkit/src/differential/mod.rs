//! Random histories on the memory strategy and on another one at once, with
//! one clock: the same answers, the same errors, the same final state.

mod answer;
mod feed;
mod keys;
mod past;
mod resolve;
mod run;

pub use run::{PARTS, run, run_part, run_part_of};

/// Makes tests that compare a strategy with the memory strategy: a module
/// `$name` with one test for each of the [`PARTS`], which run at the same time.
///
/// `$place` is a closure that makes a fresh [`Place`](crate::Place):
///
/// ```ignore
/// repo_testkit::differential!(like_the_reference, || async { JsonPlace::split() });
/// ```
///
/// Some 2,000 operations in sum by default; `REPO_TESTKIT_OPERATIONS` asks for
/// more, `REPO_TESTKIT_SEED` for other ones. A failure is made as small as
/// possible and printed as a history. For a store of which each operation is a request to
/// a server, `most: NUMBER` behind the place bounds them, whatever is asked for.
#[macro_export]
macro_rules! differential {
    ($(#[$attribute:meta])* $name:ident, $place:expr, most: $most:expr) => {
        $(#[$attribute])*
        mod $name {
            use super::*;

            #[test]
            fn part_1() {
                $crate::differential::run_part_of($place, 1, $most);
            }

            #[test]
            fn part_2() {
                $crate::differential::run_part_of($place, 2, $most);
            }

            #[test]
            fn part_3() {
                $crate::differential::run_part_of($place, 3, $most);
            }

            #[test]
            fn part_4() {
                $crate::differential::run_part_of($place, 4, $most);
            }
        }
    };
    ($(#[$attribute:meta])* $name:ident, $place:expr) => {
        $(#[$attribute])*
        mod $name {
            use super::*;

            #[test]
            fn part_1() {
                $crate::differential::run_part($place, 1);
            }

            #[test]
            fn part_2() {
                $crate::differential::run_part($place, 2);
            }

            #[test]
            fn part_3() {
                $crate::differential::run_part($place, 3);
            }

            #[test]
            fn part_4() {
                $crate::differential::run_part($place, 4);
            }
        }
    };
}
