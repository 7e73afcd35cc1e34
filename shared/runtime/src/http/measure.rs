//! Measuring a request to the end of its body: a stream costs most after its handler has returned.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use lambda_http::RequestExt;
use seam::Meter;
use tower::Service;

use crate::invocation;

/// A router whose requests are measured.
#[derive(Clone)]
pub(super) struct Measured(Router);

impl Measured {
    pub fn new(router: Router) -> Self {
        Self(router)
    }
}

impl Service<lambda_http::Request> for Measured {
    type Response = Response<MeasuredBody>;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        <Router as Service<Request<Body>>>::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, request: lambda_http::Request) -> Self::Future {
        let request_id =
            request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
        let answer = self.0.call(request.map(Body::new));
        Box::pin(async move {
            let meter = Meter::default();
            let response = meter.scope(answer).await?;
            let outcome = response.status().as_u16();
            Ok(response.map(|body| MeasuredBody { body, bill: Bill { meter, request_id, outcome } }))
        })
    }
}

/// A body whose every step is billed to its request, and whose end is the end of the invocation.
pub(super) struct MeasuredBody {
    body: Body,
    bill: Bill,
}

struct Bill {
    meter: Meter,
    request_id: String,
    outcome: u16,
}

impl Drop for Bill {
    fn drop(&mut self) {
        invocation::log(&self.request_id, &self.outcome.to_string(), &self.meter.ledger());
    }
}

impl http_body::Body for MeasuredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let meter = self.bill.meter.clone();
        meter.sync_scope(|| Pin::new(&mut self.body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
