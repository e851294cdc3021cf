//! Which kernels there are on this CPU, and the environment variable that picks
//! one.

use riquet_erasure::{Codec, Error, Kernel};

/// Every kernel, fastest first.
const ALL: [Kernel; 6] = [
    Kernel::GfniAvx512,
    Kernel::GfniAvx2,
    Kernel::Avx512,
    Kernel::Avx2,
    Kernel::Neon,
    Kernel::Portable,
];

/// Prints one line per kernel; `make kernels` reads them.
#[test]
fn each_is_available_or_refused() {
    let available: Vec<Kernel> = Kernel::available().collect();
    let mut working = Vec::new();
    for kernel in ALL {
        let name = kernel.name();
        match Codec::with_kernel(2, 1, kernel) {
            Ok(codec) => {
                println!("kernel {name} available");
                assert_eq!(codec.kernel(), kernel);
                working.push(kernel);
            }
            Err(error) => {
                println!("kernel {name} lacking");
                let name = name.to_owned();
                assert_eq!(error, Error::Kernel { name });
            }
        }
    }
    assert_eq!(available, working);
}

/// Runs itself in processes of its own, because the choice is made once in each.
#[test]
#[cfg_attr(miri, ignore = "an interpreted program starts no other")]
fn the_environment_forces_one() {
    const NAME: &str = "the_environment_forces_one";
    const CHILD: &str = "RIQUET_ERASURE_TEST_CHILD";
    const FORCE: &str = "RIQUET_ERASURE_KERNEL";
    if std::env::var_os(CHILD).is_some() {
        let name = std::env::var(FORCE).unwrap();
        match Codec::new(2, 1) {
            Ok(codec) => assert_eq!(codec.kernel().name(), name),
            Err(error) => {
                assert!(Kernel::available().all(|kernel| kernel.name() != name));
                assert_eq!(error, Error::Kernel { name });
            }
        }
        return;
    }
    for name in ALL.map(Kernel::name).into_iter().chain(["abacus"]) {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env(CHILD, "1")
            .env(FORCE, name)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
