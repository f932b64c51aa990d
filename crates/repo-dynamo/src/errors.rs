//! The only place where answers of DynamoDB and of its driver become errors of
//! the engine. Messages of the driver are taken over only where they cannot
//! hold a secret: a refused signature is described with the session's token.

use std::error::Error as StdError;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::CancellationReason;
use repo_core::strategy::Action;
use repo_core::{Error, ErrorKind};

/// What a request did if its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing, or something that may be done again.
    Repeatable,
    /// It may have been applied, and to do it again would be something else.
    Once,
}

/// Where a request was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) operation: &'static str,
    pub(crate) store: &'a str,
    pub(crate) table: &'a str,
    pub(crate) effect: Effect,
}

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether the same request may succeed after a while.
    pub(crate) again: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, again: false }
    }
}

impl Scene<'_> {
    fn error(&self, kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, self.operation, message)
            .with("store", self.store)
            .with("table", self.table)
    }

    /// For a request whose answer was lost.
    fn lost(&self, message: &str) -> Failure {
        match self.effect {
            Effect::Repeatable => {
                Failure { error: self.error(ErrorKind::Unavailable, message), again: true }
            }
            Effect::Once => Failure {
                error: self
                    .error(ErrorKind::OutcomeUnknown, message)
                    .hint("read the record before writing again"),
                again: false,
            },
        }
    }

    /// Something that DynamoDB asks to be done later, and that did not happen
    /// in the time there is.
    pub(crate) fn later(&self, message: &str) -> Failure {
        Failure { error: self.error(ErrorKind::Unavailable, message), again: true }
    }

    /// A request that DynamoDB refused because there are too many.
    pub(crate) fn throttled(&self) -> Failure {
        let Failure { error, again } = self.later("DynamoDB throttles");
        let hint = "raise the capacity of the table and of its indexes, or make fewer requests \
                    at once";
        Failure { error: error.hint(hint), again }
    }

    /// For a transaction that was canceled for a reason that does not pass.
    pub(crate) fn canceled(&self, reasons: &[CancellationReason]) -> Error {
        let code = |reason: &CancellationReason| {
            reason.code().filter(|code| *code != "None").map(str::to_owned)
        };
        let codes: Vec<String> = reasons.iter().filter_map(code).collect();
        let message = reasons.iter().find_map(CancellationReason::message).unwrap_or_default();
        self.invalid(message).with("codes", codes.join(", "))
    }

    /// For a request that the driver does not let us build.
    pub(crate) fn malformed(&self, source: BuildError) -> Error {
        self.error(ErrorKind::Invalid, "the request cannot be built").caused_by(source)
    }

    /// Maps an error of the driver.
    pub(crate) fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                self.refused(answer.err(), answer.raw().status().is_server_error())
            }
            SdkError::TimeoutError(_) => self.lost("DynamoDB did not answer in time"),
            SdkError::ResponseError(answer) => {
                self.not_dynamodb(!answer.raw().status().is_client_error())
            }
            SdkError::ConstructionFailure(_) => self.not_sent(error).into(),
            SdkError::DispatchFailure(_) => self.not_answered(error),
            _ => self.lost("the request failed"),
        }
    }

    /// An answer that DynamoDB does not give. If something between us and it
    /// failed, it may have done what was asked.
    fn not_dynamodb(&self, may_have_been_done: bool) -> Failure {
        let what = "the endpoint does not answer as DynamoDB does";
        let error = match may_have_been_done {
            true => self.lost(what).error,
            false => self.error(ErrorKind::Unavailable, what),
        };
        error.hint("check endpoint_url").into()
    }

    /// A request that did not leave this machine.
    fn not_sent(&self, error: &(dyn StdError + 'static)) -> Error {
        match find::<CredentialsError>(error) {
            Some(source) => credentials(self.operation, source).with("store", self.store),
            None => self
                .error(ErrorKind::ConfigInvalid, "the request cannot be made")
                .with("reason", root(error))
                .hint("check the region and endpoint_url"),
        }
    }

    /// No answer: no credentials, no connection, or a broken one.
    fn not_answered(&self, error: &(dyn StdError + 'static)) -> Failure {
        if let Some(source) = find::<CredentialsError>(error) {
            return credentials(self.operation, source).with("store", self.store).into();
        }
        let reason = root(error).to_string();
        if never_connected(error) {
            return self
                .error(ErrorKind::Unavailable, "DynamoDB cannot be reached")
                .with("reason", reason)
                .hint("check endpoint_url, the region and the network")
                .into();
        }
        let Failure { error, again } = self.lost("the connection to DynamoDB broke");
        Failure { error: error.with("reason", reason), again }
    }

    /// An answer that is a refusal, or the server's own failure (`failed`).
    fn refused(&self, answer: &impl ProvideErrorMetadata, failed: bool) -> Failure {
        let Some(code) = answer.code() else { return self.not_dynamodb(failed) };
        let message = answer.message().unwrap_or_default();
        match code {
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "Throttling"
            | "RequestLimitExceeded"
            | "ThrottledException" => self.throttled(),
            "TransactionConflictException" | "TransactionInProgressException" => {
                self.later("another transaction holds a record of this one")
            }
            "ResourceInUseException" => self.later("the table is being changed"),
            "LimitExceededException" if message.contains("simultaneous") => {
                self.later("too many tables are being changed at once")
            }
            "LimitExceededException" => self
                .error(ErrorKind::LimitExceeded, "a quota of the AWS account is exceeded")
                .with("reason", message)
                .into(),
            "ResourceNotFoundException" => self
                .error(ErrorKind::NotFound, "a table of the store is missing")
                .hint(format!(
                    "make it with {}; check table_prefix and the region",
                    Action::Prepare
                ))
                .into(),
            "ValidationException" => self.invalid(message).into(),
            "InternalServerError" | "InternalFailure" | "ServiceUnavailable" => {
                self.lost("DynamoDB failed inside")
            }
            _ if failed => {
                let Failure { error, again } = self.lost("DynamoDB failed inside");
                Failure { error: error.with("code", code), again }
            }
            _ => self.denied(code, message).into(),
        }
    }

    fn invalid(&self, message: &str) -> Error {
        let too_large = message.contains("size") && message.contains("exceed");
        let kind = if too_large { ErrorKind::LimitExceeded } else { ErrorKind::Invalid };
        self.error(kind, "DynamoDB refused the request").with("reason", message)
    }

    fn denied(&self, code: &str, message: &str) -> Error {
        let denied = |what: &str, hint: &str| {
            self.error(ErrorKind::PermissionDenied, what).with("code", code).hint(hint)
        };
        match code {
            "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
                denied("the AWS credentials have expired", "log in to AWS again")
            }
            "InvalidSignatureException" | "SignatureDoesNotMatch" => denied(
                "AWS does not accept the signature",
                "check the secret access key and the clock of this machine",
            ),
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "MissingAuthenticationTokenException"
            | "MissingAuthenticationToken"
            | "IncompleteSignatureException"
            | "NotAuthorizedException" => {
                denied("AWS does not know these credentials", "check the AWS credentials")
            }
            "AccessDeniedException" => denied(
                "the AWS credentials do not allow this",
                "allow the DynamoDB actions that the documentation lists",
            )
            .with("reason", message),
            _ => {
                let error = self
                    .error(ErrorKind::Unexpected, "DynamoDB refused the request")
                    .with("code", code);
                if may_tell(message) { error.with("reason", message) } else { error }
            }
        }
    }
}

/// Whether words of the server can be shown: those about a signature hold what
/// was signed, the session's token among it.
fn may_tell(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let signed = ["canonical", "signature", "credential", "token", "authorization"];
    !message.is_empty() && !signed.iter().any(|part| message.contains(part))
}

/// Why there are no credentials.
pub(crate) fn credentials(operation: &'static str, source: &CredentialsError) -> Error {
    let (kind, message) = match source {
        CredentialsError::CredentialsNotLoaded(_) => {
            (ErrorKind::PermissionDenied, "there are no AWS credentials")
        }
        CredentialsError::InvalidConfiguration(_) => {
            (ErrorKind::ConfigInvalid, "the AWS configuration is wrong")
        }
        CredentialsError::ProviderTimedOut(_) => {
            (ErrorKind::Unavailable, "the AWS credentials did not arrive in time")
        }
        _ => (ErrorKind::PermissionDenied, "the AWS credentials could not be loaded"),
    };
    let error = Error::new(kind, operation, message).hint(
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or use an instance role",
    );
    match source.source() {
        // A wrong profile is named here; keys never are.
        Some(inner) if kind == ErrorKind::ConfigInvalid => error.with("reason", root(inner)),
        _ => error,
    }
}

/// Whether a failed request is surely over: refused by the server, or never
/// sent. Of any other it may still arrive.
pub(crate) fn is_over<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: StdError + 'static,
{
    match error {
        SdkError::ServiceError(refused) => !refused.raw().status().is_server_error(),
        SdkError::ConstructionFailure(_) => true,
        SdkError::DispatchFailure(_) => {
            find::<CredentialsError>(error).is_some() || never_connected(error)
        }
        _ => false,
    }
}

/// Whether the request cannot have left this machine.
fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|part| {
        let refused = part.downcast_ref::<io::Error>().is_some_and(|io| {
            matches!(
                io.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::AddrNotAvailable
            )
        });
        // The types behind these words are private to the HTTP client.
        let text = part.to_string();
        refused || text.contains("(Connect)") || text.starts_with("HTTP connect timeout")
    })
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let part = next?;
        next = part.source();
        Some(part)
    })
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|part| part.downcast_ref::<T>())
}

/// The innermost cause.
fn root<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    chain(error).last().unwrap_or(error)
}
