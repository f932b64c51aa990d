//! What uploads are called.

use repo_data::model::UploadId;

/// The path of the uploads.
pub(super) const UPLOADS: &str = "/api/v1/uploads";
/// Under which an entry keeps the headers that it was created by. It is not shown with it.
pub(in crate::api) const KEPT_WITH: &str = "tus_upload";

/// Where an upload is.
pub(in crate::api) fn upload_path(id: &UploadId) -> String {
    format!("{UPLOADS}/{id}")
}
