//! The id that a client's request is known by: in the answer (`x-amz-request-id`), in the log lines of
//! every process, and in the header [`REQUEST_ID`] of what processes ask each other on its behalf.

use http::HeaderMap;
use tracing::{Instrument as _, Span};

use super::traces::spans;
use crate::id::RequestId;
use crate::wire::shard::REQUEST_ID;

tokio::task_local! {
    static CURRENT: Current;
}

/// What the present task works for.
#[derive(Clone)]
struct Current {
    request: RequestId,
    /// That its lines are written in.
    lines: Span,
    /// That of its trace; disabled if it is not traced.
    trace: Span,
}

impl Current {
    async fn within<F: Future>(self, work: F) -> F::Output {
        let (lines, trace) = (self.lines.clone(), self.trace.clone());
        let work = CURRENT.scope(self, work);
        work.instrument(lines).instrument(trace).await
    }
}

/// Does `work` on behalf of a request that is traced as `trace`, if it is enabled. Tasks that it spawns
/// know of it if they are [`carried`].
pub async fn within<F: Future>(request: RequestId, trace: Span, work: F) -> F::Output {
    let lines = span(request, &trace);
    let current = Current {
        request,
        lines,
        trace,
    };
    current.within(work).await
}

/// `work` for a task of its own: on behalf of the present task's request, and within its present step.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let current = CURRENT.try_with(Clone::clone).ok();
    let work = work.in_current_span();
    async move {
        match current {
            None => work.await,
            Some(current) => current.within(work).await,
        }
    }
}

/// The request on whose behalf the present task works.
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(|current| current.request).ok()
}

/// The span of its trace; disabled if there is none.
pub fn trace() -> Span {
    let trace = CURRENT.try_with(|current| current.trace.clone());
    trace.unwrap_or_else(|_| Span::none())
}

/// Whether there is one.
pub fn is_traced() -> bool {
    CURRENT
        .try_with(|current| !current.trace.is_disabled())
        .unwrap_or(false)
}

/// The id that a header names.
pub fn of(headers: &HeaderMap) -> Option<RequestId> {
    headers.get(REQUEST_ID)?.to_str().ok()?.parse().ok()
}

/// The span that a request's lines are written in. Of the highest level, so that no filter which lets a
/// line pass takes its request away.
pub(super) fn span(request: RequestId, trace: &Span) -> Span {
    let span = tracing::error_span!(
        "request",
        request_id = %request,
        trace_id = tracing::field::Empty,
    );
    if let Some(id) = spans::trace_id(trace) {
        span.record("trace_id", tracing::field::display(id));
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_on_behalf_of_a_request_knows_it() {
        assert_eq!(current(), None);
        let id = RequestId::from_u128(7);
        let asked = within(id, Span::none(), async {
            let other = tokio::spawn(async { current() });
            let own = tokio::spawn(carried(async { current() }));
            (current(), own.await.unwrap(), other.await.unwrap())
        });
        assert_eq!(asked.await, (Some(id), Some(id), None));
        assert_eq!(current(), None);
        assert_eq!(carried(async { current() }).await, None);
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
