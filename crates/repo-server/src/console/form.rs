//! The fields of a form.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};

use super::failure::Failure;
use crate::http::{ApiError, read_body};

/// The fields of a form, by name.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// The text of a field; nothing where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The text of a field that has one.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// The version in a field.
    ///
    /// # Errors
    /// 400 for what is none.
    pub(super) fn version(&self, name: &str) -> Result<repo_core::Version, ApiError> {
        let number = self.text(name).parse();
        let number = number.map_err(|_| ApiError::bad_request("the form names no version"))?;
        Ok(repo_core::Version::new(number)?)
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let body = read_body(request.into_body()).await?;
        Ok(Self(form_urlencoded::parse(&body).into_owned().collect()))
    }
}
