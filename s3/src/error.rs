//! Every error a client can see: one table of code, HTTP status and default message, and the
//! [`Error`] value that carries a code with the extra fields AWS gives.
//!
//! The table is the only place where a status or a code string is written down. Rendering to XML
//! lives in [`crate::response::error`].

use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, StatusCode};

/// The text of a code.
macro_rules! text {
    ($name:ident) => {
        stringify!($name)
    };
    ($name:ident $text:literal) => {
        $text
    };
}

/// Declares [`ErrorCode`] from the table of codes.
macro_rules! error_codes {
    ($($name:ident $(= $text:literal)? $status:literal $message:literal)*) => {
        /// A code of the S3, IAM or STS protocol, as it appears in `<Code>`.
        ///
        /// Each variant's name is the code's text, unless the table has another, with a dot.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $message] $name,)*
        }

        impl ErrorCode {
            /// Every code, in the table's order.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];

            /// The text of `<Code>`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => text!($name $($text)?),)* }
            }

            /// The HTTP status as a number.
            const fn status_u16(self) -> u16 {
                match self { $(ErrorCode::$name => $status,)* }
            }

            /// The message used when the error brings none of its own.
            #[must_use]
            pub const fn default_message(self) -> &'static str {
                match self { $(ErrorCode::$name => $message,)* }
            }
        }
    };
}

error_codes! {
    AccessControlListNotSupported 400 "The bucket does not allow ACLs."
    AccessDenied 403 "Access Denied"
    AccessForbidden 403 "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
    AccountProblem 403 "There is a problem with your account that prevents the operation from completing successfully."
    AmbiguousGrantByEmailAddress 400 "The email address you provided is associated with more than one account."
    AuthorizationHeaderMalformed 400 "The authorization header that you provided is not valid."
    AuthorizationQueryParametersError 400 "The authorization query parameters that you provided are not valid."
    BadDigest 400 "The Content-MD5 or checksum value that you specified did not match what the server received."
    BadRequest 400 "Bad Request"
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Select a different name and try again."
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it."
    BucketNotEmpty 409 "The bucket you tried to delete is not empty."
    ConcurrentModification 409 "The request was rejected because multiple requests to change this object were submitted simultaneously."
    ConditionalRequestConflict 409 "A conflicting operation occurred during the execution of this request. Retry the request."
    CredentialsNotSupported 400 "This request does not support credentials."
    DeleteConflict 409 "The request was rejected because it attempted to delete a resource that has attached subordinate entities."
    EntityAlreadyExists 409 "The request was rejected because it attempted to create a resource that already exists."
    EntityTemporarilyUnmodifiable 409 "The request was rejected because it referenced an entity that is temporarily unmodifiable."
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed object size."
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed object size."
    ExpiredToken 400 "The provided token has expired."
    ExpiredTokenException 400 "The web identity token that was passed is expired."
    IDPCommunicationError 400 "The identity provider could not be reached to verify the web identity token."
    IDPRejectedClaim 403 "The identity provider reported that authentication failed."
    IllegalLocationConstraintException 400 "The specified location constraint is not valid for the Region the request was sent to."
    IllegalVersioningConfigurationException 400 "The versioning configuration specified in the request is invalid."
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header."
    IncompleteSignature 400 "The request signature does not conform to AWS standards."
    IncorrectNumberOfFilesInPostRequest 400 "POST requires exactly one file upload per request."
    InlineDataTooLarge 400 "The inline data exceeds the maximum allowed size."
    InternalError 500 "We encountered an internal error. Please try again."
    InternalFailure 500 "The request processing has failed because of an unknown error, exception or failure."
    InvalidAccessKeyId 403 "The AWS access key ID that you provided does not exist in our records."
    InvalidAction 400 "The action or operation requested is invalid."
    InvalidAddressingHeader 400 "You must specify the Anonymous role."
    InvalidArgument 400 "Invalid Argument"
    InvalidBucketAclWithObjectOwnership 400 "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
    InvalidBucketName 400 "The specified bucket is not valid."
    InvalidBucketState 409 "The request is not valid with the current state of the bucket."
    InvalidChunkSizeError 403 "Only the last chunk is allowed to have a size less than 8192 bytes."
    InvalidClientTokenId 403 "The security token included in the request is invalid."
    InvalidDigest 400 "The Content-MD5 or checksum value that you specified is not valid."
    InvalidEncryptionAlgorithmError 400 "The encryption request that you specified is not valid. The valid value is AES256."
    InvalidIdentityToken 400 "The web identity token that was passed could not be validated."
    InvalidInput 400 "The request was rejected because an invalid or out-of-range value was supplied for an input parameter."
    InvalidLocationConstraint 400 "The specified location constraint is not valid."
    InvalidObjectState 403 "The operation is not valid for the current state of the object."
    InvalidParameterValue 400 "An invalid or out-of-range value was supplied for the input parameter."
    InvalidPart 400 "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    InvalidPartNumber 416 "The requested partnumber is not satisfiable"
    InvalidPartOrder 400 "The list of parts was not in ascending order. The parts list must be specified in order by part number."
    InvalidPolicyDocument 400 "The content of the form does not meet the conditions specified in the policy document."
    InvalidRange 416 "The requested range is not satisfiable"
    InvalidRedirectLocation 400 "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
    InvalidRequest 400 "Invalid Request"
    InvalidRetentionPeriod 400 "Default retention period must be a positive integer value."
    InvalidSecurity 403 "The provided security credentials are not valid."
    InvalidStorageClass 400 "The storage class you specified is not valid"
    InvalidTag 400 "The tag provided was not a valid tag."
    InvalidTargetBucketForLogging 400 "The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for the log-delivery group."
    InvalidToken 400 "The provided token is malformed or otherwise not valid."
    InvalidURI 400 "The specified URI couldn't be parsed."
    KmsNotFoundException = "KMS.NotFoundException" 400 "The specified key does not exist in the key service."
    KeyTooLongError 400 "Your key is too long"
    LimitExceeded 409 "The request was rejected because it attempted to create resources beyond the current limits."
    MalformedACLError 400 "The ACL that you provided was not well formed or did not validate against our published schema."
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data."
    MalformedPolicy 400 "Your policy contains a principal that is not valid."
    MalformedPolicyDocument 400 "The request was rejected because the policy document was malformed. The error message describes the specific error."
    MalformedQueryString 404 "The query string contains a syntax error."
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema."
    MalformedXML 400 "The XML that you provided was not well formed or did not validate against our published schema."
    MaxMessageLengthExceeded 400 "Your request was too large."
    MaxPostPreDataLengthExceededError 400 "Your POST request fields preceding the upload file were too large."
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size."
    MethodNotAllowed 405 "The specified method is not allowed against this resource."
    MissingAction 400 "The request is missing an action or a required parameter."
    MissingAuthenticationToken 403 "The request was not signed."
    MissingContentLength 411 "You must provide the Content-Length HTTP header."
    MissingParameter 400 "A required parameter for the specified action is not supplied."
    MissingRequestBodyError 400 "Request body is empty."
    MissingSecurityElement 400 "The SOAP 1.1 request is missing a security element."
    MissingSecurityHeader 400 "Your request is missing a required header."
    NoSuchAccessPoint 404 "The specified access point does not exist."
    NoSuchBucket 404 "The specified bucket does not exist"
    NoSuchBucketPolicy 404 "The bucket policy does not exist"
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist"
    NoSuchConfiguration 404 "The specified configuration does not exist."
    NoSuchEntity 404 "The request was rejected because it referenced a resource entity that does not exist."
    NoSuchKey 404 "The specified key does not exist."
    NoSuchLifecycleConfiguration 404 "The lifecycle configuration does not exist"
    NoSuchObjectLockConfiguration 404 "The specified object does not have a ObjectLock configuration"
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found"
    NoSuchTagSet 404 "The TagSet does not exist"
    NoSuchUpload 404 "The specified multipart upload does not exist. The upload ID might not be valid, or the multipart upload might have been aborted or completed."
    NoSuchVersion 404 "The specified version does not exist."
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration"
    NotImplemented 501 "A header or query you provided requested a function that is not implemented."
    NotModified 304 "Not Modified"
    ObjectLockConfigurationNotFoundError 404 "Object Lock configuration does not exist for this bucket"
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Try again."
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found"
    PackedPolicyTooLarge 400 "The total packed size of the session policies and session tags combined was too large."
    PermanentRedirect 301 "The bucket you are attempting to access must be addressed using the specified endpoint. Send all future requests to this endpoint."
    PolicyNotAttachable 400 "The request failed because AWS service role policies can only be attached to the service-linked role for that service."
    PreconditionFailed 412 "At least one of the pre-conditions you specified did not hold"
    RegionDisabledException 403 "STS is not activated in the requested region for the account that is being asked to generate credentials."
    ReplicationConfigurationNotFoundError 404 "The replication configuration was not found"
    RequestExpired 400 "The request reached the service too long before or after the time it was signed at."
    RequestHeaderSectionTooLarge 400 "Your request header section exceeds the maximum allowed size."
    RequestIsNotMultiPartContent 412 "A bucket POST request must be of the enclosure-type multipart/form-data."
    RequestTimeTooSkewed 403 "The difference between the request time and the server's time is too large."
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period."
    ServerSideEncryptionConfigurationNotFoundError 404 "The server side encryption configuration was not found"
    ServiceFailure 500 "The request processing has failed because of an unknown error, exception or failure."
    ServiceUnavailable 503 "Service is unable to handle request. Please reduce your request rate."
    SignatureDoesNotMatch 403 "The request signature that the server calculated does not match the signature that you provided. Check your secret access key and signing method."
    SlowDown 503 "Please reduce your request rate."
    Throttling 400 "Rate exceeded"
    TokenRefreshRequired 400 "The provided token must be refreshed."
    TooManyBuckets 400 "You have attempted to create more buckets than allowed."
    UnexpectedContent 400 "This request contains unsupported content."
    UnmodifiableEntity 400 "The request was rejected because only the service that depends on the entity can change it."
    UnresolvableGrantByEmailAddress 400 "The email address that you provided does not match any account on record."
    UnsupportedSignature 400 "The provided request is signed with an unsupported STS Token version or the signature version is not supported."
    UserKeyMustBeSpecified 400 "The bucket POST must contain the specified field name. If it is specified, check the order of the fields."
    ValidationError 400 "The input fails to satisfy the constraints of the service."
    XAmzContentChecksumMismatch 400 "The provided 'x-amz-checksum' header does not match what was computed."
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed."
}

impl ErrorCode {
    /// The HTTP status the code is answered with.
    ///
    /// # Panics
    /// Never: every status in the table is a valid one (a test reads them all).
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status_u16()).expect("the table holds valid statuses")
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a request failed with: a code, a message for people, and the extra elements of the answer
/// (`BucketName`, `Key`, `ArgumentName`, ...) in the order they are written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    code: ErrorCode,
    message: Cow<'static, str>,
    fields: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, String)>,
}

/// What every function of this crate that can refuse a request returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with the code's default message and no extra fields.
    #[must_use]
    pub const fn new(code: ErrorCode) -> Self {
        Self {
            code,
            message: Cow::Borrowed(code.default_message()),
            fields: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Replaces the message.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Adds an element to the answer's XML, after those already there.
    ///
    /// `name` must be an XML element name; `value` may be any text.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Adds a header to the answer. A value that can't be one is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// `InvalidArgument` about one named header or parameter, with the fields AWS gives.
    #[must_use]
    pub fn invalid_argument(
        name: impl Into<String>,
        value: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(ErrorCode::InvalidArgument)
            .message(message)
            .field("ArgumentName", name)
            .field("ArgumentValue", value)
    }

    /// `NotImplemented` because of one named header, with the field AWS gives.
    #[must_use]
    pub fn not_implemented_header(header: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotImplemented)
            .message("A header you provided implies functionality that is not implemented")
            .field("Header", header)
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The HTTP status the error is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// The message for people.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.message
    }

    /// The extra elements, in order.
    #[must_use]
    pub fn fields(&self) -> &[(&'static str, String)] {
        &self.fields
    }

    /// The extra headers.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, String)] {
        &self.headers
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert!(names.is_sorted(), "keep the table in alphabetical order");
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert!(!code.default_message().is_empty());
            let status = code.status();
            assert!(status.as_u16() >= 300, "{code} is no error");
        }
    }

    #[test]
    fn an_error_keeps_its_fields_in_order() {
        let error = Error::invalid_argument("max-keys", "x", "Not an integer").field("Key", "k");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert_eq!(error.to_string(), "InvalidArgument: Not an integer");
        let names: Vec<_> = error.fields().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["ArgumentName", "ArgumentValue", "Key"]);
    }
}
