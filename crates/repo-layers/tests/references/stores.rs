//! Makes one test of each behaviour on each store.

macro_rules! on_one_store {
    ($store:ident: $($behaviour:ident)*) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    let world = crate::words::World::at(crate::site::Site::$store()).await;
                    super::$behaviour(world).await;
                }
            )*
        }
    };
}

/// A behaviour is an `async fn` of the module that is given a `World`.
macro_rules! on_every_store {
    ($($behaviour:ident),* $(,)?) => {
        on_one_store!(memory: $($behaviour)*);
        on_one_store!(json_files: $($behaviour)*);
        on_one_store!(sqlite: $($behaviour)*);
        on_one_store!(postgresql: $($behaviour)*);
        on_one_store!(dynamodb: $($behaviour)*);
    };
}
