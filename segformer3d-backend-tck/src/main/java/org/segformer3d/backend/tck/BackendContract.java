package org.segformer3d.backend.tck;

import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.tensor.DType;

/**
 * The contract of a backend: extend this class in the backend's own tests and name the provider.
 *
 * <pre>{@code
 * class MyBackendContractTests extends BackendContract {
 *     @Override
 *     protected BackendProvider provider() {
 *         return new MyProvider();
 *     }
 * }
 * }</pre>
 *
 * <p>The tests are nested classes, one per part of the contract, and compare with the reference backend. A backend that doesn't train
 * skips {@link Gradients} and {@link Training}. To run them for several options (devices, compute types, thread counts) extend the
 * class once for each; such a class is a top-level one with a constructor without parameters.
 *
 * <p>With Surefire's {@code -Dtest} name the nested classes too, since they are declared here:
 * {@code -Dtest='MyBackendContractTests,BackendContract*'}.
 */
public abstract class BackendContract {
    /** Creates the contract. */
    protected BackendContract() {}

    /** Returns the provider under test, never {@code null}. */
    protected abstract BackendProvider provider();

    /** Returns the options to open it with; two threads of the CPU in float32 unless overridden. */
    protected BackendOptions options() {
        return BackendOptions.defaults().withThreads(2);
    }

    /**
     * Returns how far outputs may be from the reference backend's, relative to their largest magnitude.
     *
     * <p>Override it to widen a tolerance, with the reason in a comment; 2e-5 is what results are promised to, anywhere.
     *
     * @param computeType what the backend computes in
     */
    protected double tolerance(DType computeType) {
        return computeType == DType.FLOAT64 ? 1e-10 : 2e-5;
    }

    /**
     * Returns how far gradients in float32 may be from those in float64: ‖g − g₆₄‖₂ / ‖g₆₄‖₂ of each input and parameter.
     */
    protected double gradientTolerance() {
        return 1e-4;
    }

    /**
     * Returns by how many bytes the process may grow over 1,000 forwards: room for allocators and primitive caches to settle (alone in
     * a process libtorch stays flat), and less than a leak of the smallest activation in each forward would take.
     */
    protected long memoryBound() {
        return 160L << 20;
    }

    /**
     * Returns why a test doesn't apply; it is then reported as skipped with this reason.
     *
     * @param test part and method, for example {@code Resources.memoryStaysFlat}
     * @return empty to run it
     */
    protected Optional<String> whySkipped(String test) {
        return Optional.empty();
    }

    /** What a provider says about itself and how it opens. */
    @Nested
    @DisplayName("provider")
    class Provider extends ProviderContract {
        Provider() {
            super(BackendContract.this);
        }
    }

    /** Tensors and scopes: round trips, copies, lifetimes. */
    @Nested
    @DisplayName("tensors")
    class Tensors extends TensorContract {
        Tensors() {
            super(BackendContract.this);
        }
    }

    /** Every operation against the reference backend. */
    @Nested
    @DisplayName("operations")
    class Operations extends OperationContract {
        Operations() {
            super(BackendContract.this);
        }
    }

    /** Gradients of every operation. */
    @Nested
    @DisplayName("gradients of operations")
    class OperationGradients extends OperationGradientContract {
        OperationGradients() {
            super(BackendContract.this);
        }
    }

    /** Losses and their gradients. */
    @Nested
    @DisplayName("losses")
    class LossValues extends LossContract {
        LossValues() {
            super(BackendContract.this);
        }
    }

    /** Every block against the reference backend. */
    @Nested
    @DisplayName("blocks")
    class BlockValues extends BlockContract {
        BlockValues() {
            super(BackendContract.this);
        }
    }

    /** The whole network against the reference backend. */
    @Nested
    @DisplayName("model")
    class Models extends ModelContract {
        Models() {
            super(BackendContract.this);
        }
    }

    /** Networks written over operations against the reference backend. */
    @Nested
    @DisplayName("networks")
    class Networks extends NetworkContract {
        Networks() {
            super(BackendContract.this);
        }
    }

    /** Layers that a third party supplies. */
    @Nested
    @DisplayName("replaced layers")
    class ReplacedLayers extends ReplacedLayerContract {
        ReplacedLayers() {
            super(BackendContract.this);
        }
    }

    /** Wrong use. */
    @Nested
    @DisplayName("errors")
    class Errors extends ErrorContract {
        Errors() {
            super(BackendContract.this);
        }
    }

    /** Threads and memory. */
    @Nested
    @DisplayName("resources")
    class Resources extends ResourceContract {
        Resources() {
            super(BackendContract.this);
        }
    }

    /** Gradients of blocks and losses. */
    @Nested
    @DisplayName("gradients")
    class Gradients extends GradientContract {
        Gradients() {
            super(BackendContract.this);
        }
    }

    /** Training sessions. */
    @Nested
    @DisplayName("training")
    class Training extends TrainingContract {
        Training() {
            super(BackendContract.this);
        }
    }
}
