//! The way of one request: head, route, who, may they, what exactly, handler, answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use riquet_cluster::id::RequestId;
use riquet_cluster::telemetry::request;
use riquet_metadata::Error as MetadataError;
use riquet_metadata::record::Bucket;
use riquet_s3::auth::{self, Verified};
use riquet_s3::aws_query::addressed;
use riquet_s3::body::{PayloadSpec, Purpose, read_document};
use riquet_s3::name::BucketName;
use riquet_s3::operation::{BodyKind, OperationName, Query, Route, Scope};
use riquet_s3::policy;
use riquet_s3::post::{LengthRange, PostAuthentication, PostForm, PostObjectInput};
use riquet_s3::request::{ExpectedOwner, Operation, VersionId};
use riquet_s3::response;
use riquet_s3::{Error as S3Error, ErrorCode, Timestamp};
use tracing::Span;

use crate::access::{
    Known, Object, Question, Verdict, authorize, authorize_object, context, of_version,
};
use crate::access_log::{self, Seen, SeenKind};
use crate::answer::{AnswerBody, LogEntry};
use crate::calls;
use crate::client_body::ClientBody;
use crate::cors;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::handlers::{self, Context, Upload};
use crate::identity::Caller;
use crate::names::stored_name;
use crate::refusal::{render_error, to_client};
use crate::server::Peer;
use crate::telemetry::{self, traces};
use crate::website;

/// What metrics call a request that asks for no operation of S3.
const NO_OPERATION: &str = "none";

/// What metrics call a request for a page of a web site.
const WEBSITE: &str = "website";

/// Answers one request.
pub(crate) async fn serve(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    request_id: RequestId,
) -> Response<AnswerBody> {
    let began = Instant::now();
    telemetry::request_began();
    let (head, incoming) = request.into_parts();
    let mut body = ClientBody::new(incoming, gateway.settings.limits.body_wait());
    let mut exchange = Exchange {
        gateway: &gateway,
        head: &head,
        request_id,
        operation: None,
        caller: None,
        bucket: None,
    };

    let site = website::site_in_host(&gateway, &head);
    let call = match &site {
        None => addressed(&head),
        Some(_) => None,
    };
    let id = request_id.to_string();
    let mut action = None;
    let result = match (&site, call) {
        // What a page may do is asked of sites as of everything else.
        (Some(name), _) if !cors::is_preflight(&head) => {
            Ok(website::answer(&gateway, &head, name, request_id).await)
        }
        (_, Some(addressed)) => {
            let called = calls::answer(&gateway, &head, &mut body, addressed, &id);
            let (name, response) = Box::pin(called).await;
            action = Some(name);
            Ok(response)
        }
        // Boxed, as the states of all operations together are large.
        _ => Box::pin(exchange.answer(&mut body)).await,
    };
    let operation = match (&site, action, exchange.operation) {
        (Some(_), ..) => WEBSITE,
        (None, Some(action), _) => action,
        (None, None, operation) => operation.map_or(NO_OPERATION, OperationName::as_str),
    };
    let kind = match (&site, exchange.operation) {
        (Some(_), _) => Some(SeenKind::Page),
        (None, operation) => operation.map(SeenKind::Operation),
    };
    let (caller, mut bucket) = (exchange.caller, exchange.bucket);
    if let Some(name) = &site {
        bucket = access_log::bucket_of_site(&gateway, name).await;
    }
    let tenant = whose(bucket.as_deref(), caller.as_deref());
    let mut code = None;
    let mut response = match result {
        Ok(response) => response,
        Err(error) => {
            body.drain(expects_continue(&head)).await;
            let error = to_client(error, &body);
            code = Some(error.code().as_str());
            render_error(&gateway, &head, &id, error)
        }
    };
    if action.is_none() {
        cors::decorate(&gateway, &head, &mut response).await;
    }
    response::stamp(&mut response, &id, &gateway.host_id, Timestamp::now());
    // A client that waited for `100 Continue` and got this answer instead may take the next answer
    // on the connection for the one it still waits for (botocore does); so there is no next one.
    // An empty body counts too: nothing invites it.
    if head.version == Version::HTTP_11 && expects_continue(&head) && body.received_bytes() == 0 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    let trace = request::trace();
    let answered = traces::Answered {
        operation,
        bucket: bucket.as_ref().map(|bucket| bucket.name.as_str()),
        status: response.status(),
        error: code,
    };
    traces::answered(&trace, &answered);
    let access = match kind {
        Some(kind) => {
            let seen = Seen {
                bucket,
                caller,
                kind,
                error: code,
                received_bytes: body.received_bytes(),
                began,
            };
            access_log::begin(&gateway, &head, seen, &id, &response).await
        }
        None => None,
    };
    telemetry::first_byte(operation, response.status(), began.elapsed());
    let entry = LogEntry {
        span: Span::current(),
        trace,
        tenant,
        operation,
        status: response.status(),
        received_bytes: body.received_bytes(),
        began,
        sent_bytes: 0,
        is_cut: false,
        access,
    };
    response.map(|body| body.logged(entry))
}

/// One request on its way.
struct Exchange<'a> {
    gateway: &'a Arc<Gateway>,
    head: &'a Parts,
    request_id: RequestId,
    /// Once routed.
    operation: Option<OperationName>,
    /// Once known.
    caller: Option<Arc<Caller>>,
    /// Once found.
    bucket: Option<Arc<Bucket>>,
}

impl Exchange<'_> {
    /// Nothing of the body is read before the request is known to be allowed and well formed: the
    /// first read is what tells a waiting client to go on.
    async fn answer(&mut self, body: &mut ClientBody) -> Result<Response<AnswerBody>, Error> {
        if cors::is_preflight(self.head) {
            return cors::preflight(self.gateway, self.head).await;
        }
        let route = self.gateway.router.route(self.head)?;
        self.operation = Some(route.operation.name);
        if route.operation.name == OperationName::PostObject {
            return self.post(route, body.take()).await;
        }
        let (caller, verified) = self.authenticate().await?;
        self.caller = Some(caller.clone());
        let known = self.bucket(&route, &caller).await?;
        self.bucket = known.as_ref().map(|known| known.bucket.clone());
        let expected = ExpectedOwner::of_bucket(&self.head.headers, &route.query)?;
        if let (Some(expected), Some(known)) = (expected, &known) {
            expected.check(&known.owner_names())?;
        }
        let mut conditions = self.conditions(&route.query, &caller, known.as_ref());
        let asked = Asked::of(&route)?;
        let verdict = self
            .decide(&asked, &caller, known.as_ref(), &mut conditions)
            .await?;
        let context = Context {
            gateway: self.gateway.clone(),
            caller,
            request: self.request_id,
            known,
            verdict,
            conditions,
            host: self.host(),
            peer: peer(self.head),
        };

        match route.body_kind() {
            BodyKind::Stream => {
                let query = route.query.clone();
                let operation = Operation::parse(route, &self.head.headers, b"")?;
                let spec = self.payload_spec(&query, &verified, Purpose::Object)?;
                let upload = Upload { body, spec };
                handlers::handle_upload(&context, &operation, upload).await
            }
            BodyKind::Xml {
                limit_bytes,
                purpose,
            } => {
                let spec = self.payload_spec(&route.query, &verified, purpose)?;
                let document = self.document(body, &spec, limit_bytes).await?;
                let operation = Operation::parse(route, &self.head.headers, &document)?;
                self.handle(context, operation, asked).await
            }
            BodyKind::Empty => {
                let operation = Operation::parse(route, &self.head.headers, b"")?;
                self.handle(context, operation, asked).await
            }
        }
    }

    /// Answers an upload from a form. Who signed is in the form, and what they allow.
    async fn post(
        &mut self,
        route: Route,
        body: ClientBody,
    ) -> Result<Response<AnswerBody>, Error> {
        let bucket = route.bucket.clone().expect("a form is sent to a bucket");
        let form = PostForm::read(&self.head.headers, body).await?;
        let (caller, range) = self.signer_of_form(&form, &bucket).await?;
        self.caller = Some(caller.clone());
        let known = self.bucket(&route, &caller).await?;
        self.bucket = known.as_ref().map(|known| known.bucket.clone());
        let mut conditions = self.conditions(&route.query, &caller, known.as_ref());
        let asked = Asked {
            key: Some(form.key.as_str().to_owned()),
            ..Asked::of(&route)?
        };
        let verdict = self
            .decide(&asked, &caller, known.as_ref(), &mut conditions)
            .await?;
        let input = PostObjectInput::parse(&form.fields, bucket, form.key)?;
        let host = self.host();
        let bucket_url = format!("http://{host}{}", self.head.uri.path());
        let context = Context {
            gateway: self.gateway.clone(),
            caller,
            request: self.request_id,
            known,
            verdict,
            conditions,
            host,
            peer: peer(self.head),
        };
        let file = form.file.within(range);
        Box::pin(handlers::post_object(&context, input, file, bucket_url)).await
    }

    /// Who signed a form's policy, and the lengths that it allows. A form without a signature is
    /// from nobody.
    async fn signer_of_form(
        &self,
        form: &PostForm,
        bucket: &BucketName,
    ) -> Result<(Arc<Caller>, LengthRange), Error> {
        let claim = match PostAuthentication::parse(&form.fields)? {
            PostAuthentication::Anonymous => {
                return Ok((Arc::new(Caller::anonymous()), LengthRange::ANY));
            }
            PostAuthentication::Signed(claim) => claim,
        };
        let directory = &self.gateway.directory;
        let signed_in = directory.sign_in(claim.access_key_id(), claim.session_token());
        let signed_in = signed_in.await?;
        let policy = claim.verify(&signed_in.secret, &self.gateway.settings.region)?;
        let range = policy.check(&form.fields, bucket, Timestamp::now())?;
        Ok((signed_in.caller, range))
    }

    /// Who signed, and how the signature covers the body.
    async fn authenticate(&self) -> Result<(Arc<Caller>, Verified), Error> {
        let host_bucket = self.gateway.router.bucket_in_host(self.head);
        let claim = auth::parse(self.head)?.at_host_bucket(host_bucket);
        let Some(access_key) = claim.access_key_id() else {
            let unsigned = Verified::unsigned(&self.head.headers)?;
            return Ok((Arc::new(Caller::anonymous()), unsigned));
        };
        let directory = &self.gateway.directory;
        let token = claim.session_token();
        let signed_in = directory.sign_in(access_key, token).await?;
        let (region, now) = (&self.gateway.settings.region, SystemTime::now());
        let verified = claim.verify(self.head, &signed_in.secret, region, now)?;
        Ok((signed_in.caller, verified))
    }

    /// What conditions may ask, where anything asks.
    fn conditions(&self, query: &Query, caller: &Caller, known: Option<&Known>) -> policy::Context {
        let is_asked = !caller.policies().is_empty()
            || caller.session().is_some()
            // The source of a copy has a policy of its own.
            || self.head.headers.contains_key("x-amz-copy-source")
            || known.is_some_and(|known| known.rules.policy.is_some());
        match is_asked {
            true => context::of_request(self.head, query, caller),
            false => policy::Context::new(),
        }
    }

    async fn decide(
        &self,
        asked: &Asked,
        caller: &Caller,
        known: Option<&Known>,
        conditions: &mut policy::Context,
    ) -> Result<Verdict, Error> {
        // Decided for each key by itself.
        if asked.operation == OperationName::DeleteObjects {
            return Ok(Verdict::Allowed);
        }
        if let (Some(known), Some(key)) = (known, &asked.key) {
            let object = Object {
                known,
                key,
                version: asked.version.as_ref(),
            };
            return authorize_object(self.gateway, caller, asked.action, object, conditions).await;
        }
        authorize(&Question {
            caller,
            action: asked.action,
            bucket: known.map(|known| known.target(None)),
            context: conditions,
        })
    }

    /// The bucket that the operation is about, unless it is yet to be made.
    async fn bucket(&self, route: &Route, caller: &Caller) -> Result<Option<Known>, Error> {
        let Some(name) = &route.bucket else {
            return Ok(None);
        };
        let metadata = &self.gateway.metadata;
        let stored = stored_name(name, caller);
        let found = match route.operation.name {
            OperationName::CreateBucket => return Ok(None),
            // They meet the bucket's keys, where an outdated record is noticed.
            OperationName::DeleteObjects
            | OperationName::ListMultipartUploads
            | OperationName::ListObjectVersions
            | OperationName::ListObjects
            | OperationName::ListObjectsV2 => metadata.bucket(&stored).await,
            // Answered from the bucket's record alone, which must be the present one.
            _ if route.operation.scope == Scope::Bucket => metadata.bucket_now(&stored).await,
            _ => metadata.bucket(&stored).await,
        };
        let bucket = found.map_err(|error| name_bucket(error.into(), name.as_str()))?;
        self.gateway.know(bucket).await.map(Some)
    }

    fn payload_spec(
        &self,
        query: &Query,
        verified: &Verified,
        purpose: Purpose,
    ) -> Result<PayloadSpec, S3Error> {
        PayloadSpec::parse(&self.head.headers, query, verified, purpose)
    }

    async fn document(
        &self,
        body: &mut ClientBody,
        spec: &PayloadSpec,
        limit_bytes: usize,
    ) -> Result<Bytes, Error> {
        let _turn = self.gateway.admission.upload().await?;
        Ok(read_document(body, spec, limit_bytes).await?)
    }

    /// Runs an operation, once more if its bucket turns out to be another than the one known here.
    async fn handle(
        &self,
        mut context: Context,
        operation: Operation,
        asked: Asked,
    ) -> Result<Response<AnswerBody>, Error> {
        match handlers::handle(&context, &operation).await {
            Err(Error::Metadata(MetadataError::StaleBucket)) => {}
            result => return result,
        }
        if let Some(stale) = context.known.take() {
            let bucket = self.gateway.metadata.bucket_now(&stale.bucket.name).await?;
            let known = self.gateway.know(bucket).await?;
            let Context {
                caller, conditions, ..
            } = &mut context;
            context.verdict = self
                .decide(&asked, caller, Some(&known), conditions)
                .await?;
            context.known = Some(known);
        }
        handlers::handle(&context, &operation).await
    }

    /// The host that the client believes to talk to.
    fn host(&self) -> String {
        let authority = self
            .head
            .uri
            .authority()
            .map(|authority| authority.as_str());
        let header = || self.head.headers.get(header::HOST)?.to_str().ok();
        authority.or_else(header).unwrap_or_default().to_owned()
    }
}

/// What a request asks for, for the decision whether it may.
struct Asked {
    operation: OperationName,
    action: &'static str,
    key: Option<String>,
    version: Option<VersionId>,
}

impl Asked {
    fn of(route: &Route) -> Result<Self, S3Error> {
        let version = match route.query.get("versionId") {
            // An empty one is refused where the request is read whole.
            None | Some("") => None,
            Some(version) => Some(VersionId::parse(version)?),
        };
        let action = route.operation.iam_action;
        Ok(Self {
            operation: route.operation.name,
            action: match version {
                None => action,
                Some(_) => of_version(action),
            },
            key: route.key.as_ref().map(|key| key.as_str().to_owned()),
            version,
        })
    }
}

/// The id of the tenant that a request is counted for: whose bucket it is about, else who asks; empty
/// for nobody known.
fn whose(bucket: Option<&Bucket>, caller: Option<&Caller>) -> String {
    let asker = || caller.and_then(Caller::tenant).map(|tenant| &tenant.id);
    let owner = bucket.map(|bucket| &bucket.tenant);
    owner.or_else(asker).cloned().unwrap_or_default()
}

/// Where a request comes from.
pub(crate) fn peer(head: &Parts) -> SocketAddr {
    let Peer(address) = head
        .extensions
        .get()
        .expect("every connection has its peer");
    *address
}

pub(crate) fn expects_continue(head: &Parts) -> bool {
    head.headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

pub(crate) fn name_bucket(error: Error, bucket: &str) -> Error {
    match error {
        Error::Metadata(MetadataError::NoSuchBucket) => S3Error::new(ErrorCode::NoSuchBucket)
            .field("BucketName", bucket)
            .into(),
        other => other,
    }
}
