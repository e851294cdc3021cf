//! What the S3 API promises, checked with boto3 at both gateways of one cluster.

use std::process::ExitCode;

use riquet_tests::{compatibility, python, suite};

/// A day of lifecycle rules, seconds: nobody waits for a real one.
const SHORT_DAY: [&str; 2] = ["--lifecycle-day-seconds", "2"];

fn main() -> ExitCode {
    suite::run_with(&SHORT_DAY, |shared| {
        let modules = [
            "test_objects",
            "test_listing",
            "test_conditions",
            "test_multipart",
            "test_access",
            "test_grants",
            "test_post",
            "test_tagging",
            "test_object_lock",
            "test_attributes",
            "test_cors",
            "test_settings",
            "test_everywhere",
            "test_notification",
            "test_website",
            "test_logging",
            "test_encryption",
            "test_versioning",
            "test_integrity",
            "test_presigned",
            "test_habits",
            "test_lifecycle",
            "test_website_public",
            "test_iam",
            "test_sts",
            "test_compatibility",
        ];
        let trials = modules.into_iter();
        let mut trials: Vec<_> = trials
            .flat_map(|module| python::trials(shared, module))
            .collect();
        trials.push(compatibility::every_test_exists(&trials));
        trials
    })
}
