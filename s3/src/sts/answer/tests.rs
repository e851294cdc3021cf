use proptest::prelude::*;

use super::*;
use crate::time::from_unix_ms;

fn role(arn: &str) -> AssumedRole {
    AssumedRole {
        credentials: Credentials {
            access_key_id: "ASIA".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: "token".to_owned(),
            expiration: from_unix_ms(1_445_412_480_007),
        },
        assumed_role_id: "AROA:s1".to_owned(),
        arn: arn.to_owned(),
        packed_policy_size_percent: Some(6),
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(render(output, "id").into_body().to_vec()).unwrap()
}

#[test]
fn a_role_is_answered_with_its_credentials() {
    let identity = WebIdentity {
        subject: "sub".to_owned(),
        provider: "https://x".to_owned(),
        audience: "aud".to_owned(),
    };
    let output = Output::AssumedRoleWithWebIdentity(role("arn"), identity);
    assert_eq!(
        text(&output),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AssumeRoleWithWebIdentityResponse \
         xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
         <Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
         <SessionToken>token</SessionToken><Expiration>2015-10-21T07:28:00Z</Expiration>\
         </Credentials><AssumedRoleUser><AssumedRoleId>AROA:s1</AssumedRoleId><Arn>arn</Arn>\
         </AssumedRoleUser><PackedPolicySize>6</PackedPolicySize><SubjectFromWebIdentityToken>sub\
         </SubjectFromWebIdentityToken><Provider>https://x</Provider><Audience>aud</Audience>\
         </AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>id</RequestId>\
         </ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
    );
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", role("arn"));
    assert!(printed.contains("ASIA") && !printed.contains("secret") && !printed.contains("token"));
}

proptest! {
    #[test]
    fn text_never_becomes_markup(hostile in "[<>&\"'/a\\x00-\\x1f]{0,20}") {
        let tags = |arn: &str| text(&Output::AssumedRole(role(arn))).matches('<').count();
        prop_assert_eq!(tags(&hostile), tags("arn"));
    }
}
