//! Who makes a request, and what it may do.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use repo_core::Attribution;
use repo_data::model::Owner;

use super::key::{ApiKey, Scope};
use crate::http::ApiError;

/// Who makes a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Whoever reaches a server without keys: it listens to this machine alone.
    Local,
    /// The holder of a key.
    Key(Arc<ApiKey>),
    /// Nobody known, on a route that was opened for such callers.
    Guest,
    /// Nobody known, on a route that asks nobody.
    Public,
}

/// The header that says why a write is made.
const REASON: &str = "x-reason";

impl Caller {
    /// What tells callers apart: for idempotency keys and owners.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::Key(key) => &key.id,
            Self::Guest => "guest",
            Self::Public => "public",
        }
    }

    /// Whom what it stores belongs to.
    ///
    /// # Errors
    /// None that can happen: the owner of a key is checked when it is made.
    pub fn owner(&self) -> repo_core::Result<Owner> {
        Owner::new(match self {
            Self::Key(key) => &key.owner,
            other => other.id(),
        })
    }

    /// Whether it may see and change what belongs to others.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.need(Scope::Admin).is_ok()
    }

    /// Refuses what it may not do.
    ///
    /// # Errors
    /// 403, with the scope that is missing.
    pub fn need(&self, scope: Scope) -> Result<(), ApiError> {
        let allowed = match self {
            Self::Local => true,
            Self::Key(key) => key.allows(scope),
            Self::Guest => scope != Scope::Admin,
            Self::Public => false,
        };
        if allowed {
            return Ok(());
        }
        Err(ApiError::forbidden(format!("the key lacks the scope `{}`", scope.as_str()))
            .remedy("use a key with that scope"))
    }

    /// Who and why, to keep with a version.
    ///
    /// # Errors
    /// 400 for a reason that is too long or holds control characters.
    pub fn attribution(
        &self,
        headers: &axum::http::HeaderMap,
    ) -> Result<Option<Arc<Attribution>>, ApiError> {
        let reason = headers.get(REASON).map(|text| std::str::from_utf8(text.as_bytes()));
        let reason =
            reason.transpose().map_err(|_| ApiError::bad_request("X-Reason is not UTF-8"))?;
        self.attribution_for(reason)
    }

    /// The same with a reason that came otherwise than in a header.
    ///
    /// # Errors
    /// 400 for a reason that is too long or holds control characters.
    pub fn attribution_for(
        &self,
        reason: Option<&str>,
    ) -> Result<Option<Arc<Attribution>>, ApiError> {
        let author = match self {
            Self::Local | Self::Guest | Self::Public => None,
            Self::Key(key) => Some(key.name.as_str()),
        };
        if author.is_none() && reason.is_none() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Attribution::new(author, reason)?)))
    }
}

/// Which scope a route needs.
pub trait Needed: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

/// Reading.
#[derive(Debug, Clone, Copy)]
pub struct Read;
/// Writing.
#[derive(Debug, Clone, Copy)]
pub struct Write;
/// Administration.
#[derive(Debug, Clone, Copy)]
pub struct Admin;

impl Needed for Read {
    const SCOPE: Scope = Scope::Read;
}
impl Needed for Write {
    const SCOPE: Scope = Scope::Write;
}
impl Needed for Admin {
    const SCOPE: Scope = Scope::Admin;
}

/// A caller that has the scope: a route that takes one is closed to all others.
#[derive(Debug, Clone)]
pub struct Need<N> {
    /// Who it is.
    pub caller: Caller,
    scope: PhantomData<N>,
}

impl<N: Needed, S: Send + Sync> FromRequestParts<S> for Need<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // `authenticate` stands before every route.
        let Some(caller) = parts.extensions.get::<Caller>() else {
            let why = "the caller of this route was not looked at";
            return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected", why));
        };
        caller.need(N::SCOPE)?;
        Ok(Self { caller: caller.clone(), scope: PhantomData })
    }
}
