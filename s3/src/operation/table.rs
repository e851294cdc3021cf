//! The one table of S3 operations. Routing, authorization, metrics and the compatibility page are
//! all read from it; a test holds it against the model that AWS ships in botocore.

use std::fmt;

use http::Method;

/// What an operation acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The account: `/`.
    Service,
    /// A bucket: `/bucket`.
    Bucket,
    /// An object: `/bucket/key`.
    Object,
}

/// How the store answers an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It does what the operation says.
    Implemented,
    /// It answers `NotImplemented`.
    NotImplemented,
    /// An older name for requests that cannot be told from those of the named operation, which
    /// are therefore routed to it.
    SameRequestAs(&'static str),
    /// Served by AWS at another kind of endpoint (directory buckets, Object Lambda); no request
    /// is routed to it.
    OtherEndpoint,
}

/// A row of the table.
#[derive(Debug)]
pub struct OperationInfo {
    /// The operation's name.
    pub name: OperationName,
    /// The HTTP method of its requests.
    pub method: Method,
    /// What it acts on.
    pub scope: Scope,
    /// The query parameters a request must have: `name`, or `name=value`.
    pub query: &'static [&'static str],
    /// The headers a request must have, in lower case.
    pub headers: &'static [&'static str],
    /// The IAM action a caller needs on the bucket or object named in the request's path.
    pub iam_action: &'static str,
    /// How the store answers it.
    pub status: Status,
}

impl OperationInfo {
    /// Whether requests are routed here (be it to answer `NotImplemented`).
    #[must_use]
    pub const fn is_routed(&self) -> bool {
        matches!(self.status, Status::Implemented | Status::NotImplemented)
    }
}

/// Declares [`OperationName`] and [`TABLE`] from the rows.
macro_rules! operations {
    ($($name:ident $method:ident $scope:ident [$($query:literal),*] [$($header:literal),*]
        $action:literal $status:ident $(($same:literal))?;)*) => {
        /// The name of an S3 operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names are those of the S3 API reference")]
        pub enum OperationName {
            $($name,)*
        }

        impl OperationName {
            /// The name as AWS writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }

        /// Every operation, in alphabetical order: `TABLE[name as usize]` is the row of `name`.
        pub static TABLE: &[OperationInfo] = &[$(
            OperationInfo {
                name: OperationName::$name,
                method: Method::$method,
                scope: Scope::$scope,
                query: &[$($query),*],
                headers: &[$($header),*],
                iam_action: $action,
                status: Status::$status $(($same))?,
            },
        )*];
    };
}

impl OperationName {
    /// The operation's row.
    #[must_use]
    pub fn info(self) -> &'static OperationInfo {
        &TABLE[self as usize]
    }
}

impl fmt::Display for OperationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// name, method, scope, required query, required headers, IAM action, status
operations! {
    AbortMultipartUpload DELETE Object ["uploadId"] [] "s3:AbortMultipartUpload" Implemented;
    CompleteMultipartUpload POST Object ["uploadId"] [] "s3:PutObject" Implemented;
    CopyObject PUT Object [] ["x-amz-copy-source"] "s3:PutObject" Implemented;
    CreateBucket PUT Bucket [] [] "s3:CreateBucket" Implemented;
    CreateBucketMetadataConfiguration POST Bucket ["metadataConfiguration"] [] "s3:CreateBucketMetadataTableConfiguration" NotImplemented;
    CreateBucketMetadataTableConfiguration POST Bucket ["metadataTable"] [] "s3:CreateBucketMetadataTableConfiguration" NotImplemented;
    CreateMultipartUpload POST Object ["uploads"] [] "s3:PutObject" Implemented;
    CreateSession GET Bucket ["session"] [] "s3express:CreateSession" NotImplemented;
    DeleteBucket DELETE Bucket [] [] "s3:DeleteBucket" Implemented;
    DeleteBucketAnalyticsConfiguration DELETE Bucket ["analytics", "id"] [] "s3:PutAnalyticsConfiguration" NotImplemented;
    DeleteBucketCors DELETE Bucket ["cors"] [] "s3:PutBucketCORS" Implemented;
    DeleteBucketEncryption DELETE Bucket ["encryption"] [] "s3:PutEncryptionConfiguration" Implemented;
    DeleteBucketIntelligentTieringConfiguration DELETE Bucket ["intelligent-tiering", "id"] [] "s3:PutIntelligentTieringConfiguration" NotImplemented;
    DeleteBucketInventoryConfiguration DELETE Bucket ["inventory", "id"] [] "s3:PutInventoryConfiguration" NotImplemented;
    DeleteBucketLifecycle DELETE Bucket ["lifecycle"] [] "s3:PutLifecycleConfiguration" Implemented;
    DeleteBucketMetadataConfiguration DELETE Bucket ["metadataConfiguration"] [] "s3:DeleteBucketMetadataTableConfiguration" NotImplemented;
    DeleteBucketMetadataTableConfiguration DELETE Bucket ["metadataTable"] [] "s3:DeleteBucketMetadataTableConfiguration" NotImplemented;
    DeleteBucketMetricsConfiguration DELETE Bucket ["metrics", "id"] [] "s3:PutMetricsConfiguration" NotImplemented;
    DeleteBucketOwnershipControls DELETE Bucket ["ownershipControls"] [] "s3:PutBucketOwnershipControls" Implemented;
    DeleteBucketPolicy DELETE Bucket ["policy"] [] "s3:DeleteBucketPolicy" Implemented;
    DeleteBucketReplication DELETE Bucket ["replication"] [] "s3:PutReplicationConfiguration" NotImplemented;
    DeleteBucketTagging DELETE Bucket ["tagging"] [] "s3:PutBucketTagging" Implemented;
    DeleteBucketWebsite DELETE Bucket ["website"] [] "s3:DeleteBucketWebsite" Implemented;
    DeleteObject DELETE Object [] [] "s3:DeleteObject" Implemented;
    DeleteObjectAnnotation DELETE Object ["annotation", "annotationName"] [] "s3:DeleteObjectAnnotation" NotImplemented;
    DeleteObjectTagging DELETE Object ["tagging"] [] "s3:DeleteObjectTagging" Implemented;
    DeleteObjects POST Bucket ["delete"] [] "s3:DeleteObject" Implemented;
    DeletePublicAccessBlock DELETE Bucket ["publicAccessBlock"] [] "s3:PutBucketPublicAccessBlock" Implemented;
    GetBucketAbac GET Bucket ["abac"] [] "s3:GetBucketAbac" NotImplemented;
    GetBucketAccelerateConfiguration GET Bucket ["accelerate"] [] "s3:GetAccelerateConfiguration" Implemented;
    GetBucketAcl GET Bucket ["acl"] [] "s3:GetBucketAcl" Implemented;
    GetBucketAnalyticsConfiguration GET Bucket ["analytics", "id"] [] "s3:GetAnalyticsConfiguration" Implemented;
    GetBucketCors GET Bucket ["cors"] [] "s3:GetBucketCORS" Implemented;
    GetBucketEncryption GET Bucket ["encryption"] [] "s3:GetEncryptionConfiguration" Implemented;
    GetBucketIntelligentTieringConfiguration GET Bucket ["intelligent-tiering", "id"] [] "s3:GetIntelligentTieringConfiguration" Implemented;
    GetBucketInventoryConfiguration GET Bucket ["inventory", "id"] [] "s3:GetInventoryConfiguration" Implemented;
    GetBucketLifecycle GET Bucket ["lifecycle"] [] "s3:GetLifecycleConfiguration" SameRequestAs("GetBucketLifecycleConfiguration");
    GetBucketLifecycleConfiguration GET Bucket ["lifecycle"] [] "s3:GetLifecycleConfiguration" Implemented;
    GetBucketLocation GET Bucket ["location"] [] "s3:GetBucketLocation" Implemented;
    GetBucketLogging GET Bucket ["logging"] [] "s3:GetBucketLogging" Implemented;
    GetBucketMetadataConfiguration GET Bucket ["metadataConfiguration"] [] "s3:GetBucketMetadataTableConfiguration" NotImplemented;
    GetBucketMetadataTableConfiguration GET Bucket ["metadataTable"] [] "s3:GetBucketMetadataTableConfiguration" NotImplemented;
    GetBucketMetricsConfiguration GET Bucket ["metrics", "id"] [] "s3:GetMetricsConfiguration" Implemented;
    GetBucketNotification GET Bucket ["notification"] [] "s3:GetBucketNotification" SameRequestAs("GetBucketNotificationConfiguration");
    GetBucketNotificationConfiguration GET Bucket ["notification"] [] "s3:GetBucketNotification" Implemented;
    GetBucketOwnershipControls GET Bucket ["ownershipControls"] [] "s3:GetBucketOwnershipControls" Implemented;
    GetBucketPolicy GET Bucket ["policy"] [] "s3:GetBucketPolicy" Implemented;
    GetBucketPolicyStatus GET Bucket ["policyStatus"] [] "s3:GetBucketPolicyStatus" Implemented;
    GetBucketReplication GET Bucket ["replication"] [] "s3:GetReplicationConfiguration" Implemented;
    GetBucketRequestPayment GET Bucket ["requestPayment"] [] "s3:GetBucketRequestPayment" Implemented;
    GetBucketTagging GET Bucket ["tagging"] [] "s3:GetBucketTagging" Implemented;
    GetBucketVersioning GET Bucket ["versioning"] [] "s3:GetBucketVersioning" Implemented;
    GetBucketWebsite GET Bucket ["website"] [] "s3:GetBucketWebsite" Implemented;
    GetObject GET Object [] [] "s3:GetObject" Implemented;
    GetObjectAcl GET Object ["acl"] [] "s3:GetObjectAcl" Implemented;
    GetObjectAnnotation GET Object ["annotation", "annotationName"] [] "s3:GetObjectAnnotation" NotImplemented;
    GetObjectAttributes GET Object ["attributes"] [] "s3:GetObjectAttributes" Implemented;
    GetObjectLegalHold GET Object ["legal-hold"] [] "s3:GetObjectLegalHold" Implemented;
    GetObjectLockConfiguration GET Bucket ["object-lock"] [] "s3:GetBucketObjectLockConfiguration" Implemented;
    GetObjectRetention GET Object ["retention"] [] "s3:GetObjectRetention" Implemented;
    GetObjectTagging GET Object ["tagging"] [] "s3:GetObjectTagging" Implemented;
    GetObjectTorrent GET Object ["torrent"] [] "s3:GetObjectTorrent" NotImplemented;
    GetPublicAccessBlock GET Bucket ["publicAccessBlock"] [] "s3:GetBucketPublicAccessBlock" Implemented;
    HeadBucket HEAD Bucket [] [] "s3:ListBucket" Implemented;
    HeadObject HEAD Object [] [] "s3:GetObject" Implemented;
    ListBucketAnalyticsConfigurations GET Bucket ["analytics"] [] "s3:GetAnalyticsConfiguration" Implemented;
    ListBucketIntelligentTieringConfigurations GET Bucket ["intelligent-tiering"] [] "s3:GetIntelligentTieringConfiguration" Implemented;
    ListBucketInventoryConfigurations GET Bucket ["inventory"] [] "s3:GetInventoryConfiguration" Implemented;
    ListBucketMetricsConfigurations GET Bucket ["metrics"] [] "s3:GetMetricsConfiguration" Implemented;
    ListBuckets GET Service [] [] "s3:ListAllMyBuckets" Implemented;
    ListDirectoryBuckets GET Service [] [] "s3express:ListAllMyDirectoryBuckets" OtherEndpoint;
    ListMultipartUploads GET Bucket ["uploads"] [] "s3:ListBucketMultipartUploads" Implemented;
    ListObjectAnnotations GET Object ["annotation"] [] "s3:ListObjectAnnotations" NotImplemented;
    ListObjectVersions GET Bucket ["versions"] [] "s3:ListBucketVersions" Implemented;
    ListObjects GET Bucket [] [] "s3:ListBucket" Implemented;
    ListObjectsV2 GET Bucket ["list-type=2"] [] "s3:ListBucket" Implemented;
    ListParts GET Object ["uploadId"] [] "s3:ListMultipartUploadParts" Implemented;
    PostObject POST Bucket [] [] "s3:PutObject" Implemented;
    PutBucketAbac PUT Bucket ["abac"] [] "s3:PutBucketAbac" NotImplemented;
    PutBucketAccelerateConfiguration PUT Bucket ["accelerate"] [] "s3:PutAccelerateConfiguration" Implemented;
    PutBucketAcl PUT Bucket ["acl"] [] "s3:PutBucketAcl" Implemented;
    PutBucketAnalyticsConfiguration PUT Bucket ["analytics", "id"] [] "s3:PutAnalyticsConfiguration" NotImplemented;
    PutBucketCors PUT Bucket ["cors"] [] "s3:PutBucketCORS" Implemented;
    PutBucketEncryption PUT Bucket ["encryption"] [] "s3:PutEncryptionConfiguration" Implemented;
    PutBucketIntelligentTieringConfiguration PUT Bucket ["intelligent-tiering", "id"] [] "s3:PutIntelligentTieringConfiguration" NotImplemented;
    PutBucketInventoryConfiguration PUT Bucket ["inventory", "id"] [] "s3:PutInventoryConfiguration" NotImplemented;
    PutBucketLifecycle PUT Bucket ["lifecycle"] [] "s3:PutLifecycleConfiguration" SameRequestAs("PutBucketLifecycleConfiguration");
    PutBucketLifecycleConfiguration PUT Bucket ["lifecycle"] [] "s3:PutLifecycleConfiguration" Implemented;
    PutBucketLogging PUT Bucket ["logging"] [] "s3:PutBucketLogging" Implemented;
    PutBucketMetricsConfiguration PUT Bucket ["metrics", "id"] [] "s3:PutMetricsConfiguration" NotImplemented;
    PutBucketNotification PUT Bucket ["notification"] [] "s3:PutBucketNotification" SameRequestAs("PutBucketNotificationConfiguration");
    PutBucketNotificationConfiguration PUT Bucket ["notification"] [] "s3:PutBucketNotification" Implemented;
    PutBucketOwnershipControls PUT Bucket ["ownershipControls"] [] "s3:PutBucketOwnershipControls" Implemented;
    PutBucketPolicy PUT Bucket ["policy"] [] "s3:PutBucketPolicy" Implemented;
    PutBucketReplication PUT Bucket ["replication"] [] "s3:PutReplicationConfiguration" NotImplemented;
    PutBucketRequestPayment PUT Bucket ["requestPayment"] [] "s3:PutBucketRequestPayment" Implemented;
    PutBucketTagging PUT Bucket ["tagging"] [] "s3:PutBucketTagging" Implemented;
    PutBucketVersioning PUT Bucket ["versioning"] [] "s3:PutBucketVersioning" Implemented;
    PutBucketWebsite PUT Bucket ["website"] [] "s3:PutBucketWebsite" Implemented;
    PutObject PUT Object [] [] "s3:PutObject" Implemented;
    PutObjectAcl PUT Object ["acl"] [] "s3:PutObjectAcl" Implemented;
    PutObjectAnnotation PUT Object ["annotation", "annotationName"] [] "s3:PutObjectAnnotation" NotImplemented;
    PutObjectLegalHold PUT Object ["legal-hold"] [] "s3:PutObjectLegalHold" Implemented;
    PutObjectLockConfiguration PUT Bucket ["object-lock"] [] "s3:PutBucketObjectLockConfiguration" Implemented;
    PutObjectRetention PUT Object ["retention"] [] "s3:PutObjectRetention" Implemented;
    PutObjectTagging PUT Object ["tagging"] [] "s3:PutObjectTagging" Implemented;
    PutPublicAccessBlock PUT Bucket ["publicAccessBlock"] [] "s3:PutBucketPublicAccessBlock" Implemented;
    RenameObject PUT Object ["renameObject"] [] "s3:PutObject" NotImplemented;
    RestoreObject POST Object ["restore"] [] "s3:RestoreObject" NotImplemented;
    SelectObjectContent POST Object ["select", "select-type=2"] [] "s3:GetObject" NotImplemented;
    UpdateBucketMetadataAnnotationTableConfiguration PUT Bucket ["metadataAnnotationTable"] [] "s3:UpdateBucketMetadataAnnotationTableConfiguration" NotImplemented;
    UpdateBucketMetadataInventoryTableConfiguration PUT Bucket ["metadataInventoryTable"] [] "s3:UpdateBucketMetadataInventoryTableConfiguration" NotImplemented;
    UpdateBucketMetadataJournalTableConfiguration PUT Bucket ["metadataJournalTable"] [] "s3:UpdateBucketMetadataJournalTableConfiguration" NotImplemented;
    UpdateObjectEncryption PUT Object ["encryption"] [] "s3:UpdateObjectEncryption" NotImplemented;
    UploadPart PUT Object ["partNumber", "uploadId"] [] "s3:PutObject" Implemented;
    UploadPartCopy PUT Object ["partNumber", "uploadId"] ["x-amz-copy-source"] "s3:PutObject" Implemented;
    WriteGetObjectResponse POST Service [] [] "s3-object-lambda:WriteGetObjectResponse" OtherEndpoint;
}

impl OperationName {
    /// The smallest body that the operation takes; empty where it takes none. For those who try all
    /// operations.
    #[must_use]
    pub const fn smallest_document(self) -> &'static str {
        match self {
            Self::CompleteMultipartUpload => {
                "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>\
                 </CompleteMultipartUpload>"
            }
            Self::DeleteObjects => "<Delete><Object><Key>k</Key></Object></Delete>",
            Self::PutBucketAcl | Self::PutObjectAcl => {
                "<AccessControlPolicy><Owner><ID>a</ID></Owner><AccessControlList/>\
                 </AccessControlPolicy>"
            }
            Self::PutBucketAccelerateConfiguration => {
                "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>"
            }
            Self::PutBucketCors => {
                "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET\
                 </AllowedMethod></CORSRule></CORSConfiguration>"
            }
            Self::PutBucketLifecycleConfiguration => {
                "<LifecycleConfiguration><Rule><ID>r</ID><Filter/><Status>Enabled</Status>\
                 <Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>"
            }
            Self::PutBucketPolicy => "{}",
            Self::PutBucketEncryption => {
                "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
                 <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
                 </ServerSideEncryptionConfiguration>"
            }
            Self::PutBucketLogging => "<BucketLoggingStatus/>",
            Self::PutBucketNotificationConfiguration => "<NotificationConfiguration/>",
            Self::PutBucketOwnershipControls => {
                "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>\
                 </OwnershipControls>"
            }
            Self::PutBucketRequestPayment => {
                "<RequestPaymentConfiguration><Payer>BucketOwner</Payer>\
                 </RequestPaymentConfiguration>"
            }
            Self::PutBucketTagging | Self::PutObjectTagging => "<Tagging><TagSet/></Tagging>",
            Self::PutBucketVersioning => {
                "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            }
            Self::PutBucketWebsite => {
                "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument>\
                 </WebsiteConfiguration>"
            }
            Self::PutObjectLegalHold => "<LegalHold><Status>ON</Status></LegalHold>",
            Self::PutObjectLockConfiguration => {
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
                 </ObjectLockConfiguration>"
            }
            Self::PutObjectRetention => "<Retention/>",
            Self::PutPublicAccessBlock => {
                "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
                 </PublicAccessBlockConfiguration>"
            }
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_found_by_name() {
        assert!(TABLE.is_sorted_by_key(|row| row.name.as_str()));
        for row in TABLE {
            assert_eq!(row.name.info().name, row.name);
            assert!(row.iam_action.starts_with("s3"), "{}", row.name);
            if let Status::SameRequestAs(other) = row.status {
                let other = TABLE.iter().find(|row| row.name.as_str() == other).unwrap();
                assert!(other.is_routed());
                assert_eq!((&other.method, other.scope), (&row.method, row.scope));
            }
        }
    }

    #[test]
    fn no_two_routed_rows_want_the_same_request() {
        for (index, a) in TABLE.iter().enumerate().filter(|(_, row)| row.is_routed()) {
            for b in TABLE[index + 1..].iter().filter(|row| row.is_routed()) {
                let same = (&a.method, a.scope, a.query, a.headers)
                    == (&b.method, b.scope, b.query, b.headers);
                assert!(!same, "{} and {}", a.name, b.name);
            }
        }
    }
}
