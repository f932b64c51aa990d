//! The work of the rows without the engine: by the driver alone, as somebody
//! would write it by hand for the same tables, durability and connections.

pub(crate) mod dynamo;
pub(crate) mod json;
pub(crate) mod object;
pub(crate) mod postgres;
pub(crate) mod sqlite;
