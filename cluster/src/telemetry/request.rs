//! The id that a client's request is known by: in the answer (`x-amz-request-id`), in the log lines of
//! every process, and in the header [`REQUEST_ID`] of what processes ask each other on its behalf.

use http::HeaderMap;
use tracing::Span;

use crate::id::RequestId;
use crate::wire::shard::REQUEST_ID;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Does `work` on behalf of a request. Tasks that it spawns are told apart by themselves.
pub async fn within<F: Future>(request: RequestId, work: F) -> F::Output {
    CURRENT.scope(request, work).await
}

/// The request on whose behalf the present task works.
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(|request| *request).ok()
}

/// The id that a header names.
pub fn of(headers: &HeaderMap) -> Option<RequestId> {
    headers.get(REQUEST_ID)?.to_str().ok()?.parse().ok()
}

/// The span that a request's lines are written in. Of the highest level, so that no filter which lets a
/// line pass takes its request away.
pub fn span(request: RequestId) -> Span {
    tracing::error_span!("request", request_id = %request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_on_behalf_of_a_request_knows_it() {
        assert_eq!(current(), None);
        let id = RequestId::from_u128(7);
        assert_eq!(within(id, async { current() }).await, Some(id));
        assert_eq!(current(), None);
    }

    #[test]
    fn a_header_that_names_no_request_is_passed_over() {
        let mut headers = HeaderMap::new();
        assert_eq!(of(&headers), None);
        headers.insert(REQUEST_ID, "neither".parse().unwrap());
        assert_eq!(of(&headers), None);
        let id = RequestId::from_u128(7);
        headers.insert(REQUEST_ID, id.to_string().parse().unwrap());
        assert_eq!(of(&headers), Some(id));
    }
}
