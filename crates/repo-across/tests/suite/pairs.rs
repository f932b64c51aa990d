//! Makes one test of each behaviour on each pair of stores.

macro_rules! on_one_pair {
    ($pair:ident, $first:ident, $second:ident: $($behaviour:ident)*) => {
        mod $pair {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    use crate::common::{Site, World};
                    let world = World::at(Site::$first(), Site::$second()).await;
                    super::$behaviour(world).await;
                }
            )*
        }
    };
}

/// A behaviour is an `async fn` of the module that is given a `World`. Each store is the first
/// of a pair and the second of another one.
macro_rules! on_every_pair {
    ($($behaviour:ident),* $(,)?) => {
        on_one_pair!(memory_and_memory, memory, memory: $($behaviour)*);
        on_one_pair!(json_files_and_dynamodb, json_files, dynamodb: $($behaviour)*);
        on_one_pair!(postgresql_and_sqlite, postgresql, sqlite: $($behaviour)*);
        on_one_pair!(sqlite_and_json_files, sqlite, json_files: $($behaviour)*);
        on_one_pair!(dynamodb_and_postgresql, dynamodb, postgresql: $($behaviour)*);
    };
}
