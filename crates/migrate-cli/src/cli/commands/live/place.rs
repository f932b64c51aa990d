//! The two stores of a live migration, as the flags name them.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{LiveId, StorageStrategy};
use repo_core::{Result, Schemas};
use repo_migrate::live::{LivePlace, LiveStores};

use crate::cli::context::Context;
use crate::cli::sides::{Side, SideArgs, Sides};

/// Both stores, chosen and not opened.
pub(super) struct Places {
    pub(super) sides: Sides,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Place<'a> {
    side: &'a Side,
    schemas: &'a Arc<Schemas>,
    role: &'static str,
}

impl Places {
    pub(super) fn choose(
        sides: &SideArgs,
        context: &Context,
        operation: &'static str,
    ) -> Result<Self> {
        Ok(Self { sides: sides.choose(context, operation)? })
    }

    pub(super) fn schemas(&self) -> &Schemas {
        &self.sides.schemas
    }

    /// The source and the target.
    pub(super) fn both(&self) -> [Place<'_>; 2] {
        let schemas = &self.sides.schemas;
        [
            Place { side: &self.sides.source, schemas, role: "source" },
            Place { side: &self.sides.target, schemas, role: "target" },
        ]
    }
}

/// The stores as the library takes them.
pub(super) fn stores<'a>([source, target]: &'a [Place<'_>; 2]) -> LiveStores<'a> {
    LiveStores { source, target }
}

#[async_trait]
impl LivePlace for Place<'_> {
    async fn open(&self, works_for: Option<LiveId>) -> Result<Arc<dyn StorageStrategy>> {
        let opened = self.side.open_to_work_for(works_for, self.schemas).await;
        opened.map_err(|error| error.with("side", self.role))
    }
}
