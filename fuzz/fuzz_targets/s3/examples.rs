//! A legal document of each kind, with most of what can be in it.

/// The request of each operation that takes a document, and the document.
pub(crate) const DOCUMENTS: [(&str, &str); 21] = [
    (
        "PUT /bucket",
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>",
    ),
    (
        "POST /bucket?delete",
        "<Delete><Quiet>true</Quiet><Object><Key>a&#13;&amp;b</Key><VersionId>null</VersionId>\
         </Object><Object><Key>c</Key><ETag>\"d41d8cd98f00b204e9800998ecf8427e-2\"</ETag></Object>\
         </Delete>",
    ),
    (
        "POST /bucket/key?uploadId=u",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>\
         <ETag>d41d8cd98f00b204e9800998ecf8427e</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>\
         <Part><PartNumber>10000</PartNumber><ETag>\"d41d8cd98f00b204e9800998ecf8427e\"</ETag></Part>\
         </CompleteMultipartUpload>",
    ),
    ("PUT /bucket?acl", ACL),
    ("PUT /bucket/key?acl", ACL),
    (
        "PUT /bucket?cors",
        "<CORSConfiguration><CORSRule><ID>i</ID><AllowedOrigin>http://*.b</AllowedOrigin>\
         <AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
         <AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
         <MaxAgeSeconds>3000</MaxAgeSeconds></CORSRule></CORSConfiguration>",
    ),
    (
        "PUT /bucket?accelerate",
        "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>",
    ),
    (
        "PUT /bucket?logging",
        "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket>\
         <TargetPrefix>a/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>",
    ),
    (
        "PUT /bucket?notification",
        "<NotificationConfiguration><QueueConfiguration><Id>q</Id>\
         <Queue>arn:aws:sqs:eu-west-3:1:q</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key>\
         <FilterRule><Name>prefix</Name><Value>a/</Value></FilterRule><FilterRule><Name>suffix</Name>\
         <Value>.b</Value></FilterRule></S3Key></Filter></QueueConfiguration><TopicConfiguration>\
         <Topic>arn:aws:sns:eu:1:t</Topic><Event>s3:ObjectRemoved:Delete</Event>\
         </TopicConfiguration><EventBridgeConfiguration/></NotificationConfiguration>",
    ),
    (
        "PUT /bucket?ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>\
         </OwnershipControls>",
    ),
    (
        "PUT /bucket?requestPayment",
        "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
    ),
    (
        "PUT /bucket?lifecycle",
        "<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status><Filter><And>\
         <Prefix>l/</Prefix><Tag><Key>a</Key><Value>1</Value></Tag><ObjectSizeGreaterThan>1\
         </ObjectSizeGreaterThan><ObjectSizeLessThan>99999999</ObjectSizeLessThan></And></Filter>\
         <Transition><Days>1</Days><StorageClass>ONEZONE_IA</StorageClass></Transition><Expiration>\
         <Days>3</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays>\
         <NewerNoncurrentVersions>3</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>\
         <Rule><Prefix/><Status>Disabled</Status><Expiration><Date>2030-01-01T00:00:00Z</Date>\
         </Expiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
         </AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>",
    ),
    (
        "PUT /bucket?encryption",
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
         <SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>\
         </ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule>\
         </ServerSideEncryptionConfiguration>",
    ),
    ("PUT /bucket?tagging", TAGGING),
    (
        "PUT /bucket?versioning",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    ),
    (
        "PUT /bucket?website",
        "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument>\
         <ErrorDocument><Key>e/404.html</Key></ErrorDocument><RoutingRules><RoutingRule><Condition>\
         <KeyPrefixEquals>d</KeyPrefixEquals></Condition><Redirect><HostName>a.b</HostName>\
         <Protocol>https</Protocol><ReplaceKeyPrefixWith>e</ReplaceKeyPrefixWith>\
         <HttpRedirectCode>302</HttpRedirectCode></Redirect></RoutingRule></RoutingRules>\
         </WebsiteConfiguration>",
    ),
    (
        "PUT /bucket/key?legal-hold",
        "<LegalHold><Status>ON</Status></LegalHold>",
    ),
    (
        "PUT /bucket?object-lock",
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
         <DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>\
         </ObjectLockConfiguration>",
    ),
    (
        "PUT /bucket/key?retention",
        "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2100-01-01T00:00:00.5Z\
         </RetainUntilDate></Retention>",
    ),
    ("PUT /bucket/key?tagging", TAGGING),
    (
        "PUT /bucket?publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicAcls>TRUE</BlockPublicAcls>\
         <RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
    ),
];

const ACL: &str = "<AccessControlPolicy><Owner><ID>o</ID><DisplayName>n</DisplayName></Owner>\
     <AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
     xsi:type=\"CanonicalUser\"><ID>a</ID></Grantee><Permission>READ</Permission></Grant><Grant>\
     <Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>\
     http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>\
     <Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>";

const TAGGING: &str = "<Tagging><TagSet><Tag><Key>a&#32;b</Key><Value>&#x31;/</Value></Tag><Tag>\
     <Key>c</Key><Value/></Tag></TagSet></Tagging>";

/// A policy of each kind: a bucket's, an identity's, a session's and a role's.
pub(crate) const POLICIES: [&str; 4] = [
    "{\"Version\":\"2012-10-17\",\"Id\":\"i\",\"Statement\":[{\"Sid\":\"s\",\"Effect\":\"Allow\",\
     \"Principal\":{\"AWS\":[\"arn:aws:iam::123456789012:user/u\",\"*\"]},\"Action\":[\"s3:Get*\",\
     \"s3:PutObject\"],\"Resource\":\"arn:aws:s3:::bucket/${aws:username}/*\",\"Condition\":{\
     \"StringLike\":{\"s3:prefix\":[\"a*?b\"]},\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}},\
     {\"Effect\":\"Deny\",\"NotPrincipal\":{\"CanonicalUser\":\"c\"},\"NotAction\":\"s3:*\",\
     \"NotResource\":\"arn:aws:s3:::bucket\",\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\
     false}}}]}",
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\
     \"Resource\":\"*\",\"Condition\":{\"ForAnyValue:StringNotEqualsIfExists\":{\"aws:TagKeys\":\
     \"a\"},\"NumericLessThan\":{\"s3:max-keys\":\"10\"},\"DateGreaterThan\":{\"aws:CurrentTime\":\
     \"2020-01-01T00:00:00Z\"},\"Null\":{\"aws:userid\":\"true\"}}}}",
    "{\"Version\":\"2008-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iam:GetUser\",\
     \"Resource\":\"arn:aws:iam::*:user/*\",\"Condition\":{\"ArnLike\":{\"aws:SourceArn\":\
     \"arn:aws:s3:::*\"}}}]}",
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\
     \"sts:AssumeRole\",\"Principal\":{\"AWS\":\"123456789012\",\"Service\":\"s.amazonaws.com\"}}]}",
];
