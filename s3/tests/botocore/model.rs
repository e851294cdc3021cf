//! The models that AWS ships in botocore.
//!
//! They are looked for in `RIQUET_BOTOCORE_DIR` (a folder with the botocore package's content),
//! then in the botocore that `python3` imports.

use std::path::PathBuf;
use std::process::Command;

use libtest_mimic::Failed;
use serde_json::Value;

/// Where the models are.
#[derive(Clone)]
pub(crate) struct Models(PathBuf);

impl Models {
    /// Looks for botocore.
    pub(crate) fn find() -> Option<Self> {
        let named = std::env::var_os("RIQUET_BOTOCORE_DIR").filter(|folder| !folder.is_empty());
        let package = match named {
            Some(folder) => PathBuf::from(folder),
            None => imported_package()?,
        };
        let models = Self(package.join("data"));
        models.path("s3/2006-03-01").map(|_| models)
    }

    /// Reads a service's model.
    pub(crate) fn read(&self, service: &str) -> Result<Value, Failed> {
        let path = self.path(service).ok_or("botocore lacks the model")?;
        let text = if path.extension().is_some_and(|extension| extension == "gz") {
            let output = Command::new("gzip").arg("-dc").arg(path).output()?;
            if !output.status.success() {
                return Err("gzip cannot read the model".into());
            }
            output.stdout
        } else {
            std::fs::read(path)?
        };
        Ok(serde_json::from_slice(&text)?)
    }

    fn path(&self, service: &str) -> Option<PathBuf> {
        let folder = self.0.join(service);
        ["service-2.json", "service-2.json.gz"]
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.exists())
    }
}

fn imported_package() -> Option<PathBuf> {
    let script = "import botocore, os; print(os.path.dirname(botocore.__file__))";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| PathBuf::from(folder.trim()))
}
