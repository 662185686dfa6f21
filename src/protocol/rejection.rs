//! A request that is answered with no, and the sentence that says why (S29).

use http::StatusCode;
use thiserror::Error;

use super::form::FormFault;

/// The answer to a request that cannot be taken: a code and one line of plain text that names the parameter.
///
/// The line never repeats a value: it goes back to whoever sent the request, and into logs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Rejection {
    /// 400 or 413.
    pub status: StatusCode,
    pub message: String,
}

impl Rejection {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, message: message.into() }
    }
}

impl From<FormFault> for Rejection {
    fn from(fault: FormFault) -> Self {
        Self::too_large(fault.to_string())
    }
}
