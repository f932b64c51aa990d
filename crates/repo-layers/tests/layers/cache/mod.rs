//! The cache: what it keeps, what it forgets, and that no race makes it keep what is old.

mod age;
mod bounds;
mod computed;
mod conflicts;
mod feed;
mod handles;
mod kept;
mod races;
mod single_flight;
mod support;
