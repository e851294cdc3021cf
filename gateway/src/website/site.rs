//! The objects of a site, as those read them whom nobody knows.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Response};
use riquet_cluster::id::RequestId;
use riquet_metadata::Error as MetadataError;
use riquet_metadata::record::Bucket;
use riquet_s3::name::{BucketName, ObjectKey};
use riquet_s3::operation::{OperationName, Query, Route};
use riquet_s3::policy;
use riquet_s3::request::Operation;

use crate::access::{Object, authorize_object};
use crate::answer::AnswerBody;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::handlers::{self, Context};
use crate::identity::Caller;

/// A site and who reads it.
pub(super) struct Site {
    pub(super) gateway: Arc<Gateway>,
    pub(super) name: BucketName,
    pub(super) bucket: Arc<Bucket>,
    pub(super) reader: Arc<Caller>,
    /// What conditions of policies may ask.
    pub(super) conditions: policy::Context,
    pub(super) request: RequestId,
    pub(super) peer: SocketAddr,
}

impl Site {
    /// What GetObject or HeadObject answers the reader.
    pub(super) async fn object(
        &self,
        method: &Method,
        key: &ObjectKey,
        headers: &HeaderMap,
    ) -> Result<Response<AnswerBody>, Error> {
        let operation = match *method {
            Method::HEAD => OperationName::HeadObject,
            _ => OperationName::GetObject,
        };
        let route = Route {
            operation: operation.info(),
            bucket: Some(self.name.clone()),
            key: Some(key.clone()),
            query: Query::default(),
        };
        let input = Operation::parse(route, headers, b"")?;
        match self.ask(operation, key, &input, self.bucket.clone()).await {
            // Another bucket has that name by now.
            Err(Error::Metadata(MetadataError::StaleBucket)) => {
                let bucket = self.gateway.metadata.bucket_now(&self.bucket.name).await?;
                self.ask(operation, key, &input, bucket).await
            }
            answer => answer,
        }
    }

    async fn ask(
        &self,
        operation: OperationName,
        key: &ObjectKey,
        input: &Operation,
        bucket: Arc<Bucket>,
    ) -> Result<Response<AnswerBody>, Error> {
        let known = self.gateway.know(bucket).await?;
        let mut conditions = self.conditions.clone();
        let object = Object {
            known: &known,
            key: key.as_str(),
            version: None,
        };
        let (reader, action) = (&self.reader, operation.info().iam_action);
        let verdict =
            authorize_object(&self.gateway, reader, action, object, &mut conditions).await?;
        let context = Context {
            gateway: self.gateway.clone(),
            caller: self.reader.clone(),
            request: self.request,
            known: Some(known),
            verdict,
            conditions,
            host: String::new(),
            peer: self.peer,
        };
        handlers::handle(&context, input).await
    }
}
