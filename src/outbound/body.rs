//! Reading a body to a cap and no further (X10, D13, F09, F11).
//!
//! The deadline is the caller's: it lies over the whole request. Memory is bounded by the cap plus one frame, and frames
//! are bounded by the clients' read buffers.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::timeout;

use super::{
    blame::blame,
    transport::{Overflow, SendError},
};

/// How long the rest of an unwanted body may take. It only saves a connection, so it is worth about what a new
/// connection costs.
const DRAIN_FOR: Duration = Duration::from_secs(1);

/// Reads `body` to its end or to `max` bytes, whichever is first. Dropping a body that is not at its end closes the
/// connection, so an endless one stops being sent.
pub(super) async fn read_capped<B>(body: B, max: usize, overflow: Overflow) -> Result<Bytes, SendError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    match overflow {
        Overflow::Discard => {
            // Slow, broken or endless: all the same, the status has been heard.
            drop(timeout(DRAIN_FOR, drain(body, max)).await);
            Ok(Bytes::new())
        }
        Overflow::Truncate => collect(body, max, false).await,
        Overflow::Fail => collect(body, max, true).await,
    }
}

async fn drain<B>(mut body: B, max: usize)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut left = max;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

async fn collect<B>(mut body: B, max: usize, whole: bool) -> Result<Bytes, SendError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    // An announced length saves the reading of what would be thrown away.
    if whole && body.size_hint().lower() > u64::try_from(max).unwrap_or(u64::MAX) {
        return Err(SendError::TooLarge);
    }
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| blame(&error).unwrap_or(SendError::Protocol))?;
        let Ok(mut data) = frame.into_data() else { continue };
        let room = max.saturating_sub(read.len());
        if data.len() > room {
            if whole {
                return Err(SendError::TooLarge);
            }
            data.truncate(room);
            read.extend_from_slice(&data);
            return Ok(read.freeze());
        }
        if read.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;

    /// Frames of 1000 bytes, always ready; counts them.
    struct Endless<'a>(&'a mut u32);

    impl Body for Endless<'_> {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            *self.0 += 1;
            assert!(*self.0 < 100, "read far past the cap");
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1000])))))
        }
    }

    #[tokio::test]
    async fn nothing_is_read_past_the_cap() {
        for overflow in [Overflow::Truncate, Overflow::Fail, Overflow::Discard] {
            let mut frames = 0;
            drop(read_capped(Endless(&mut frames), 2500, overflow).await);
            assert_eq!(frames, 3, "{overflow:?}");
        }
    }

    async fn read(max: usize, overflow: Overflow) -> Result<Bytes, SendError> {
        read_capped(Full::new(Bytes::from_static(b"12345")), max, overflow).await
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_cap_is_whole() {
        assert_eq!(read(5, Overflow::Fail).await, Ok(Bytes::from_static(b"12345")));
        assert_eq!(read(5, Overflow::Truncate).await, Ok(Bytes::from_static(b"12345")));
    }

    #[tokio::test]
    async fn one_byte_more_than_the_cap_is_cut_or_fails_as_asked() {
        assert_eq!(read(4, Overflow::Truncate).await, Ok(Bytes::from_static(b"1234")));
        assert_eq!(read(4, Overflow::Fail).await, Err(SendError::TooLarge));
        assert_eq!(read(0, Overflow::Truncate).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn a_discarded_body_is_empty_whatever_its_length() {
        assert_eq!(read(5, Overflow::Discard).await, Ok(Bytes::new()));
        assert_eq!(read(2, Overflow::Discard).await, Ok(Bytes::new()));
    }
}
