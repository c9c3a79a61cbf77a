package org.segformer3d.backend.tck;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.TestInfo;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.backend.reference.ReferenceProvider;

/** What every part of the contract needs: the backend under test and the reference backend, opened anew for each test. */
abstract class Contract {
    private final BackendContract subject;
    private Backend backend;
    private Backend oracle;

    Contract(BackendContract subject) {
        this.subject = subject;
    }

    @BeforeEach
    void openBackends(TestInfo test) {
        String method = test.getTestMethod().orElseThrow().getName();
        String part = getClass().getSimpleName();
        subject.whySkipped(part + "." + method)
                .ifPresent(reason -> Assumptions.abort(part + "." + method + ": " + reason));
        oracle = new ReferenceProvider().open(BackendOptions.defaults().withThreads(1));
        backend = subject.provider().open(options());
    }

    @AfterEach
    void closeBackends() {
        if (backend != null) {
            backend.close();
        }
        if (oracle != null) {
            oracle.close();
        }
    }

    /** Returns the options that the backend under test is opened with in this part of the contract. */
    BackendOptions options() {
        return subject.options();
    }

    /** Returns the class that extends the contract. */
    BackendContract subject() {
        return subject;
    }

    /** Returns the backend under test. */
    Backend backend() {
        return backend;
    }

    /** Returns the reference backend. */
    Backend oracle() {
        return oracle;
    }

    /** Opens the backend under test a second time, in a compute type. */
    Backend open(DType computeType) {
        return subject.provider().open(options().in(computeType));
    }

    /** Returns how far a value may be from the reference backend's, relative to the largest magnitude. */
    double tolerance() {
        return subject.tolerance(backend.computeType());
    }
}
