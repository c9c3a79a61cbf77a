package org.segformer3d.backend.kernels;

import java.util.Optional;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.backend.tck.BackendContract;

/** The contract on the instruction set that is loaded; the build runs it a second time on the narrower one. */
class NativeContractTests extends BackendContract {
    @Override
    protected BackendProvider provider() {
        return new NativeProvider();
    }

    @Override
    protected Optional<String> whySkipped(String test) {
        return test.matches("BlockValues\\..*|ReplacedLayers\\..*|Provider.saysWhatItComputesWith"
                        + "|Errors\\.(tokenBlocks|patchEmbeddings|blocks|attention|decoders)Refuse.*")
                ? Optional.of("the kernels compute whole networks of the paper's layers")
                : Optional.empty();
    }
}
