//! The list of all behaviours, and the macro that makes tests of them.

/// Makes one test of each behaviour of the contract, in a module `$name`.
///
/// `$place` is a closure that makes a fresh [`Place`](crate::Place):
///
/// ```ignore
/// repo_testkit::conformance!(json_split, || async { JsonPlace::split() });
/// ```
///
/// Attributes before the name go to the module.
#[macro_export]
macro_rules! conformance {
    ($(#[$attribute:meta])* $name:ident, $place:expr) => {
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::conformance_tests! { $place;
                versions: [
                    the_first_version_is_one_and_each_write_adds_one,
                ];
            }
        }
    };
}

/// Makes the tests of [`conformance!`]; not for direct use.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($place:expr; $($file:ident: [$($behaviour:ident),* $(,)?];)*) => {
        $(
            mod $file {
                #[allow(unused_imports)]
                use super::*;
                $(
                    #[test]
                    fn $behaviour() {
                        $crate::conformance::run(
                            $place,
                            $crate::conformance::$file::$behaviour,
                        );
                    }
                )*
            }
        )*
    };
}
