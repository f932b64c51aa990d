//! A build without blobs: nothing goes along.

use repo_core::Result;

use crate::report::run_report::RunReport;
use crate::run::MigrationRun;

/// There is none.
#[derive(Debug)]
pub(crate) enum BlobMove {}

impl MigrationRun<'_> {
    pub(crate) async fn plan_blobs(&mut self, _done: &mut RunReport) -> Result<()> {
        match self.blobs {
            Some(none) => match *none {},
            None => self.say_left_behind().await,
        }
    }

    pub(crate) async fn copy_blobs(&mut self, _done: &mut RunReport) -> Result<Option<()>> {
        Ok(Some(()))
    }

    pub(crate) async fn verify_blobs(&mut self, _done: &mut RunReport) -> Result<()> {
        Ok(())
    }
}
